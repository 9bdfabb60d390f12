//! A model that is fitted in rounds, through real nodes: every round is a task that every TRE reviews, and one command goes from one to the next.

use crate::federation::Federation;
use protocol::lifecycle::Phase;
use serde_json::Value;
use std::path::Path;
use testnet::cluster::{PROJECT, RESEARCHER, TRES};
use testnet::narrate::Show;

#[tokio::test(flavor = "multi_thread")]
async fn a_logistic_model_converges_with_one_review_a_round() {
    let federation = Federation::started(600).await;
    let parameters =
        ["family=logistic", "table=person", "outcome=gender_concept_id[8507|8532]", "predictors=year_of_birth"];
    let mut args = vec!["--component", "regression", "--project", PROJECT, "--all-tres"];
    parameters.iter().for_each(|parameter| args.extend(["--param", parameter]));
    let mut task = federation.submit(&args).await;
    let mut rounds = 0;
    let told = loop {
        for (tre, ..) in TRES {
            federation.until(&task, tre, Phase::Held).await;
            federation.approve(&task, tre).await;
        }
        let (said, out) = federation.fetch(&task).await;
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
        let out = out.display().to_string();
        let told = regress(&federation, &out, false).await;
        assert_eq!(told["round"], rounds);
        if told["converged"] == true {
            break told;
        }
        let next = told["next"].as_str().unwrap_or_default().to_owned();
        assert_eq!(next, format!("quintes regress {out} --submit --wait"));
        let told = regress(&federation, &out, true).await;
        task = told["task"].as_str().unwrap().parse().unwrap();
        rounds += 1;
        assert!(rounds < 10, "{told}");
    };
    assert!(rounds >= 2, "a first step ends nothing");
    let rows = told["derived"]["regression.coefficients"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let slope = rows[1][1].as_f64().unwrap();
    let folders: Vec<_> = TRES.iter().map(|(tre, ..)| federation.cluster.layout.data(tre)).collect();
    let gradient = gradient(&folders, rows[0][1].as_f64().unwrap(), slope);
    assert!(gradient < 1e-6, "the pooled likelihood is flat at the estimate: {gradient}");
    federation.must_not(&["regress", &folders[0].display().to_string()]).await;
}

async fn regress(federation: &Federation, out: &str, submit: bool) -> Value {
    let key = format!("people/{RESEARCHER}");
    let mut args = vec!["regress", out, "--json"];
    if submit {
        args.extend(["--submit", "--yes", "--key", &key, "--node", &federation.cluster.hub]);
    }
    federation.cluster.runner.must(&args, Show::Nothing).await.unwrap().json().unwrap()
}

/// The largest mean derivative of the pooled log-likelihood.
fn gradient(folders: &[std::path::PathBuf], intercept: f64, slope: f64) -> f64 {
    let (mut sums, mut n) = ([0.0, 0.0], 0.0);
    for folder in folders {
        for (female, year) in persons(folder) {
            let chance = 1.0 / (1.0 + (-intercept - slope * year).exp());
            sums[0] += female - chance;
            sums[1] += (year - 1960.0) / 20.0 * (female - chance);
            n += 1.0;
        }
    }
    sums.iter().map(|sum| f64::abs(sum / n)).fold(0.0, f64::max)
}

fn persons(folder: &Path) -> Vec<(f64, f64)> {
    let columns = ["gender_concept_id", "year_of_birth"];
    let rows = testnet::fixture::pooled::select::<i64>(&[folder.to_path_buf()], "person", &columns, None).unwrap();
    let number = |cell: Option<i64>| cell.and_then(|value| i32::try_from(value).ok()).map(f64::from);
    rows.iter()
        .filter_map(|row| Some((number(row[0])?, number(row[1])?)))
        .map(|(gender, year)| (f64::from(u8::from(gender > 8_520.0)), year))
        .collect()
}
