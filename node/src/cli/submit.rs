//! `quintes submit`: a signed task, handed to a node; its id is printed once the node has it durably.

pub(crate) mod component;
mod foresee;

use crate::cli::chain::Chain;
use crate::cli::date::utc;
use crate::cli::desk::{Desk, FederationOptions, SigningOptions};
use crate::cli::link::{Known, Link, LinkOptions, beside, online};
use crate::cli::speak::{Speak, plain};
use crate::cli::tasks;
use crate::cli::words::{Words, listed};
use crate::clock::now;
use anyhow::{Context as _, anyhow, bail};
use component::Component;
use keys::signer::Signer;
use protocol::record::payload::DAY;
use protocol::record::project::Project;
use protocol::record::submission::{DeclaredOutput, Submission, TABLE, TaskId};
use protocol::trust::roster::Roster;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::str::FromStr;
use std::time::Duration;

/// For how many days TREs may take a task up, unless it is said otherwise.
const DAYS: u64 = 2;

/// What to submit.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The components `statistics`, `regression`, `survival`, `cohort` and `sql` come with the program. A component's outputs are declared in advance:
for `statistics` they are the analyses, for `sql` it is `result`, the others' is named as they are; those of your own name theirs with --output.

Example:
  quintes submit --component statistics --project stroke --all-tres --param table=person --param analysis=count,mean \\
      --param column=year_of_birth --key bob --node /ip4/192.0.2.7/tcp/4001/p2p/12D3Koo… --wait")]
pub(crate) struct Args {
    /// What runs: a component's file, one that comes with the program, or a name that the project lists.
    #[arg(long, value_name = "FILE|NAME")]
    component: String,
    /// The project under which it runs.
    #[arg(long)]
    project: String,
    /// A TRE that is asked.
    #[arg(long = "tre", value_name = "TRE", required_unless_present = "all_tres", conflicts_with = "all_tres")]
    tres: Vec<String>,
    /// Every TRE of the project is asked.
    #[arg(long)]
    all_tres: bool,
    /// A dataset that it may open; without any, the project's only one.
    #[arg(long = "dataset", value_name = "DATASET")]
    datasets: Vec<String>,
    /// What the component is told; @FILE reads the text from a file.
    #[arg(long = "param", value_name = "NAME=TEXT|NAME=@FILE")]
    parameters: Vec<Parameter>,
    /// An output that it may write, with the columns of a table of its own making.
    #[arg(long = "output", value_name = "NAME[=COLUMN,…]")]
    outputs: Vec<Output>,
    /// A name for people.
    #[arg(long, default_value = "")]
    title: String,
    /// For how many days TREs may take it up, at most 7.
    #[arg(long, default_value_t = DAYS, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=7))]
    days: u64,
    /// Wait until every TRE has ended.
    #[arg(long)]
    wait: bool,
    /// With --wait: for how long, in seconds.
    #[arg(long, value_name = "SECONDS", requires = "wait")]
    timeout: Option<u64>,
    /// Submit although a TRE is expected to refuse.
    #[arg(long)]
    anyway: bool,
    #[command(flatten)]
    link: LinkOptions,
    #[command(flatten)]
    federation: FederationOptions,
    #[command(flatten)]
    signing: SigningOptions,
}

/// A parameter as the command line names it.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    name: String,
    text: String,
    /// Whether the text is taken as it is, whatever it begins with.
    plain: bool,
}

impl FromStr for Parameter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, text)) if !name.is_empty() => {
                Ok(Self { name: name.to_owned(), text: text.to_owned(), plain: false })
            }
            _ => Err("write NAME=TEXT or NAME=@FILE, for example `column=age`".to_owned()),
        }
    }
}

impl Parameter {
    fn read(&self) -> anyhow::Result<String> {
        match self.text.strip_prefix('@').filter(|_| !self.plain) {
            None => Ok(self.text.clone()),
            Some(file) => {
                let text = fs::read_to_string(file).with_context(|| {
                    format!("cannot read the parameter `{}` from `{file}`; check the path", self.name)
                })?;
                Ok(text.trim_end_matches(['\n', '\r']).replace("\r\n", "\n"))
            }
        }
    }
}

/// An output as the command line names it.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) columns: Option<Vec<String>>,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, columns) = match text.split_once('=') {
            Some((name, columns)) => {
                (name, Some(columns.split(',').map(|column| column.trim().to_owned()).collect::<Vec<_>>()))
            }
            None => (text, None),
        };
        if name.is_empty() || columns.as_ref().is_some_and(|columns| columns.iter().any(String::is_empty)) {
            return Err("write NAME or NAME=COLUMN,COLUMN, for example `result=sex,n`".to_owned());
        }
        Ok(Self { name: name.to_owned(), columns })
    }
}

/// Submits.
pub(crate) fn run(args: &Args, speak: &Speak) -> anyhow::Result<()> {
    let signer = args.signing.open(speak)?;
    online(async {
        let mut link = args.link.open(Some(&args.signing.key)).await?;
        let mut known = link.known(&args.federation).await?;
        let (task, submission) = place(args, signer, &mut link, &mut known, speak).await?;
        speak.say(&format!("  → submitted; follow it with `quintes status {} --watch`", task.short()));
        speak.line(&task.to_string());
        if !args.wait {
            speak.answer(json!({ "task": task, "component": submission.component, "outputs": submission.outputs, "tres": submission.audience }));
            return Ok(());
        }
        let timeout = args.timeout.map(Duration::from_secs);
        let followed = tasks::watch(&mut link, &mut known, task, timeout, speak).await?;
        tasks::conclude(&followed, speak)
    })
}

/// Signs the task and hands it to the node, which has it durably then.
pub(crate) async fn place(
    args: &Args,
    signer: Box<dyn Signer>,
    link: &mut Link,
    known: &mut Known,
    speak: &Speak,
) -> anyhow::Result<(TaskId, Submission)> {
    let now = now();
    let mut desk = Desk::at(known.now(), &args.federation.federation, signer, args.signing.yes, now, speak);
    let me = desk.me()?;
    let project = project(&desk.federation.roster, &args.project)?.clone();
    let component = component::find(&args.component, &project, link).await?;
    let submission = submission(args, &project, &component, me.recipient.clone().unwrap_or_default())?;
    let problems = foresee::problems(&desk.federation.roster, &submission, &me, now);
    if !problems.is_empty() && !args.anyway {
        bail!("{}; nothing was signed (with --anyway it is submitted all the same)", problems.join("; "));
    }
    for problem in &problems {
        speak.warn(problem);
    }
    let identity = beside(&args.signing.key, "age");
    if !identity.exists() {
        speak.warn(&format!(
            "results could not be decrypted here: there is no `{}`; have it ready for `quintes fetch --identity`",
            identity.display()
        ));
    }
    let words = words(&submission, &component, now + args.days * DAY);
    let mut chain = Chain::open(&args.signing.key, &desk.key(), desk.federation.roster.network())?;
    let statement = desk.sign_at(&submission, &me.name, args.days * DAY, &words, Some(chain.next()))?;
    link.store(&component.bytes).await?;
    chain.hand_in(statement.bytes(), link).await?;
    Ok((statement.id(), submission))
}

impl Args {
    /// The same task with other parameters: asked of the same TREs, under the same project, about the same datasets.
    pub(crate) fn again(
        submission: &Submission,
        component: &str,
        parameters: &BTreeMap<String, String>,
        link: LinkOptions,
        federation: FederationOptions,
        signing: SigningOptions,
    ) -> Self {
        let parameters =
            parameters.iter().map(|(name, text)| Parameter { name: name.clone(), text: text.clone(), plain: true });
        Self {
            component: component.to_owned(),
            project: submission.project.clone(),
            tres: submission.audience.clone(),
            all_tres: false,
            datasets: submission.datasets.clone(),
            parameters: parameters.collect(),
            outputs: Vec::new(),
            title: submission.title.clone(),
            days: DAYS,
            wait: false,
            timeout: None,
            anyway: false,
            link,
            federation,
            signing,
        }
    }
}

/// The newest version of a project that anybody has signed.
fn project<'a>(roster: &'a Roster, name: &str) -> anyhow::Result<&'a Project> {
    let projects = roster.projects();
    let found = projects.iter().find(|(project, _)| project.name == name).map(|(project, _)| *project);
    found.ok_or_else(|| {
        let names: std::collections::BTreeSet<&str> =
            projects.iter().map(|(project, _)| project.name.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        anyhow!(
            "there is no project `{}` in this federation; there is {}: ask a data owner for `quintes project new`",
            plain(name),
            listed(&names)
        )
    })
}

fn submission(args: &Args, project: &Project, component: &Component, reply_to: String) -> anyhow::Result<Submission> {
    let parameters = given(&args.parameters)?;
    let datasets = match (args.datasets.as_slice(), project.datasets.as_slice()) {
        ([], [only]) => vec![only.clone()],
        ([], several) => {
            bail!("the project has the datasets {}; name those that the task needs with --dataset", listed(several))
        }
        (named, _) => named.to_vec(),
    };
    let outputs = if args.outputs.is_empty() {
        component.outputs(&parameters)?
    } else {
        args.outputs.iter().map(|output| declared(&output.name, output.columns.clone())).collect()
    };
    Ok(Submission {
        project: project.name.clone(),
        title: if args.title.is_empty() { component.name.clone() } else { args.title.clone() },
        component: component.digest,
        component_bytes: component.bytes.len() as u64,
        parameters,
        datasets,
        outputs,
        audience: if args.all_tres { project.tres.clone() } else { args.tres.clone() },
        reply_to,
    })
}

/// The parameters by their names, each given once.
pub(crate) fn given(given: &[Parameter]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    for parameter in given {
        if parameters.insert(parameter.name.clone(), parameter.read()?).is_some() {
            bail!("the parameter `{}` is given twice; give it once", plain(&parameter.name));
        }
    }
    Ok(parameters)
}

/// An output as a submission declares it.
pub(crate) fn declared(name: &str, columns: Option<Vec<String>>) -> DeclaredOutput {
    DeclaredOutput { name: name.to_owned(), media_type: TABLE.to_owned(), columns }
}

fn words(submission: &Submission, component: &Component, expires: u64) -> Words {
    let outputs: Vec<String> = submission
        .outputs
        .iter()
        .map(|output| match &output.columns {
            Some(columns) => format!("{} ({})", output.name, columns.join(", ")),
            None => output.name.clone(),
        })
        .collect();
    let mut words = vec![
        ("title", submission.title.clone()),
        ("project", submission.project.clone()),
        ("component", format!("{}, SHA-256 {}", component.name, component.digest)),
    ];
    words.extend(submission.parameters.iter().map(|(name, text)| ("parameter", format!("{name} = {text}"))));
    words.extend([
        ("datasets", listed(&submission.datasets)),
        ("outputs", listed(&outputs)),
        ("asked of", listed(&submission.audience)),
        ("results to", submission.reply_to.clone()),
        ("until", utc(expires)),
    ]);
    words
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{Output, Parameter};

    #[test]
    fn parameters_and_outputs_are_read_as_they_are_written() {
        let parameter: Parameter = "where=a = 'b=c'".parse().unwrap();
        assert_eq!((parameter.name.as_str(), parameter.read().unwrap().as_str()), ("where", "a = 'b=c'"));
        let output: Output = "result=sex, n".parse().unwrap();
        assert_eq!((output.name.as_str(), output.columns.unwrap()), ("result", vec!["sex".to_owned(), "n".to_owned()]));
        for wrong in ["", "=a", "query"] {
            assert!(wrong.parse::<Parameter>().is_err(), "{wrong}");
        }
        for wrong in ["", "=a", "a=", "a=b,,c"] {
            assert!(wrong.parse::<Output>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_parameter_from_a_file_has_no_line_end_and_a_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("query.sql");
        std::fs::write(&path, "SELECT 1\r\nFROM t\n").unwrap();
        let parameter: Parameter = format!("query=@{}", path.display()).parse().unwrap();
        assert_eq!(parameter.read().unwrap(), "SELECT 1\nFROM t");
        let parameter: Parameter = "query=@/no/such/file".parse().unwrap();
        assert!(format!("{:#}", parameter.read().unwrap_err()).contains("`query` from `/no/such/file`"));
    }
}
