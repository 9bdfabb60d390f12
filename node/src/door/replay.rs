//! Another run of a held task, for whoever may look at what is held.

use super::{Answer, Door, stopping};
use crate::clock::now;
use protocol::record::submission::TaskId;

impl Door {
    /// Runs a held task again and compares; nothing of it is kept.
    pub(super) async fn replay(&self, task: TaskId) -> Answer {
        let Some(execution) = self.execution.clone() else {
            return Answer::No("a hub runs no tasks; ask a TRE's node".to_owned());
        };
        let found = self.driver.read(move |core, _| {
            let run = core.tasks().get(&task)?.runs().get(&core.tre()?.name)?.payload().clone();
            Some((core.again(&task, now())?, run))
        });
        let Some(found) = found.await else { return stopping() };
        let Some((admission, run)) = found else {
            return Answer::No(format!(
                "nothing is held here for the task {}; see `quintes review list`",
                task.short()
            ));
        };
        let admission = match admission {
            Ok(admission) => admission,
            Err(refusal) => return Answer::No(format!("the task may not run here any more: {refusal}")),
        };
        let (custody, commitment) = (self.custody.clone(), run.commitment);
        let held = match tokio::task::spawn_blocking(move || custody.show(&task, &commitment)).await {
            Ok(Ok(held)) => held,
            Ok(Err(error)) => return Answer::No(error.to_string()),
            Err(_) => return stopping(),
        };
        match execution.run_again(admission, held, &run.snapshots, &self.exchange).await {
            Ok(replayed) => Answer::Replayed(replayed),
            Err(error) => Answer::No(error.to_string()),
        }
    }
}
