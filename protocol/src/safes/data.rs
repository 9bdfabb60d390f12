//! Safe data: does the project have these datasets, and do they exist here? (SATRE 3.2)

use crate::record::project::Project;
use crate::safes::admission::Question;
use crate::safes::refusal::Refusal;

/// Every dataset that the task may open is the project's and the TRE's. A dataset that exists elsewhere and one that does not exist are
/// refused alike.
pub(super) fn are_granted(question: &Question<'_>, project: &Project) -> Result<(), Refusal> {
    let granted = |name: &String| project.datasets.contains(name) && question.tre.datasets.contains(name);
    if question.submission.payload().datasets.iter().all(granted) { Ok(()) } else { Err(Refusal::DatasetNotGranted) }
}
