//! Who sits before the page, and what the person may see and decide.

use crate::review::{Examined, is_reviewer};
use keys::key::PublicKey;
use protocol::audit::Believed;
use protocol::record::grant::Role;
use protocol::trust::authority::Wanted;

/// The person of a key that a browser has shown to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reviewer {
    /// The browser has shown no key.
    Unknown,
    /// It has one, which belongs to nobody here yet, or no longer.
    NotEnrolled(PublicKey),
    /// A member of the federation.
    Member {
        /// The name in the roster.
        name: String,
        /// The organisation.
        organisation: String,
        /// The key.
        key: PublicKey,
    },
}

impl Reviewer {
    /// The holder of a key now.
    #[must_use]
    pub(super) fn of(key: Option<PublicKey>, believed: &Believed, now: u64) -> Self {
        let Some(key) = key else { return Self::Unknown };
        let good = believed.roster.is_key_good(&key.id(), now);
        match believed.roster.holder(&key.id()).filter(|_| good) {
            Some(holder) => Self::Member { name: holder.name, organisation: holder.organisation, key },
            None => Self::NotEnrolled(key),
        }
    }

    /// The name, once enrolled.
    #[must_use]
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Member { name, .. } => Some(name),
            Self::Unknown | Self::NotEnrolled(_) => None,
        }
    }

    /// The key, once shown.
    #[must_use]
    pub(super) fn key(&self) -> Option<PublicKey> {
        match self {
            Self::Member { key, .. } | Self::NotEnrolled(key) => Some(*key),
            Self::Unknown => None,
        }
    }

    /// Whether the person's decision on these outputs counts, or why not.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub(super) fn may_decide(&self, examined: &Examined, believed: &Believed, now: u64) -> Result<(), String> {
        let name = self.is_somebody()?;
        let (tre, project) = (&examined.review.tre, &examined.project);
        if examined.is_submitter(name) {
            return Err(format!(
                "You submitted this task, and a submitter never decides on it. Another data owner of {tre} has to."
            ));
        }
        if project.egress.excluded.iter().any(|excluded| excluded == name) {
            return Err(format!("The project excludes you from decisions. Another data owner of {tre} has to decide."));
        }
        let datasets = &examined.submission.payload().datasets;
        let wanted = Wanted { person: name, role: Role::OutputChecker, project: Some(project), tre, datasets };
        let checker = || project.egress.checkers_count && believed.roster.authority(&wanted, now).is_some();
        if believed.roster.is_data_owner(name, tre, now) || checker() {
            Ok(())
        } else {
            Err(format!(
                "You are no data owner of {tre}, so your decision would not count. A root person can grant you the role."
            ))
        }
    }

    /// Whether the person may comment here, or why not.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub(super) fn may_comment(&self, examined: &Examined, believed: &Believed, now: u64) -> Result<(), String> {
        let name = self.is_somebody()?;
        let tre = &examined.review.tre;
        if is_reviewer(&believed.roster, name, tre, examined.submission.payload(), now) {
            Ok(())
        } else {
            Err(format!("You are no reviewer at {tre}, so your comment would be shown to nobody."))
        }
    }

    fn is_somebody(&self) -> Result<&str, String> {
        match self {
            Self::Member { name, .. } => Ok(name),
            Self::NotEnrolled(_) => Err(
                "Your key is not enrolled in the federation yet: a root person has to sign your request, and this node has to hear of it.".to_owned(),
            ),
            Self::Unknown => Err("This browser has no key of yours yet. Make one under “Your key”.".to_owned()),
        }
    }
}
