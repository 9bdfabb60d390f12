//! The parameters of a task, read and checked as far as that goes without the data.

use guest::rows::Parameters;

/// The most concepts of one set, and the most sets.
pub const MOST_CONCEPTS: usize = 200;
/// The most sets that a person has to have a condition of.
pub const MOST_SETS: usize = 4;
/// The most strata of age.
pub const MOST_AGES: usize = 20;

/// What a task asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The concept sets: a person has a condition of each.
    pub sets: Vec<Vec<i64>>,
    /// Whether the descendants of each concept count too.
    pub descendants: bool,
    /// The first day of the window, `2019-01-01`.
    pub from: Option<String>,
    /// The last day of the window.
    pub until: Option<String>,
    /// Where strata of age begin, ascending; empty = no strata.
    pub ages: Vec<i64>,
    /// The year in which ages are reckoned.
    pub year: Option<i64>,
    /// Whether sexes are told apart.
    pub sex: bool,
}

impl Request {
    /// Reads the parameters. The error is a sentence for the researcher.
    pub fn read(parameters: Parameters<'_>) -> Result<Self, String> {
        let text = parameters("conditions").ok_or(
            "the parameter `conditions` is missing: give OMOP concept ids, for example `201826,443238`; with `;` between sets of which a person has one each",
        )?;
        let sets = text.split(';').map(set).collect::<Result<Vec<_>, _>>()?;
        if sets.len() > MOST_SETS {
            return Err(format!("the parameter `conditions` has more than {MOST_SETS} sets"));
        }
        let from = parameters("from").map(|text| day("from", &text)).transpose()?;
        let until = parameters("until").map(|text| day("until", &text)).transpose()?;
        if from.is_some() && until.is_some() && from > until {
            return Err("the window ends before it begins: give `from` before `until`".into());
        }
        let ages = parameters("ages").map_or(Ok(Vec::new()), |text| ages(&text))?;
        let year = match (parameters("year"), &until, ages.is_empty()) {
            (Some(_), _, true) => return Err("the parameter `year` belongs to `ages`: leave it out".into()),
            (Some(text), _, false) => Some(number("year", &text, 1_900..=2_200)?),
            (None, Some(until), false) => Some(number("until", &until[..4], 1_900..=2_200)?),
            (None, None, false) => {
                return Err(
                    "ages are reckoned in one year, so that nobody counts in two strata: give `year` or `until`".into(),
                );
            }
            (None, _, true) => None,
        };
        let yes = |name: &str, otherwise: bool| match parameters(name).as_deref() {
            None => Ok(otherwise),
            Some("yes") => Ok(true),
            Some("no") => Ok(false),
            Some(other) => Err(format!("the parameter `{name}` has `{other}`: give yes or no")),
        };
        Ok(Self { sets, descendants: yes("descendants", true)?, from, until, ages, year, sex: yes("sex", true)? })
    }
}

fn set(text: &str) -> Result<Vec<i64>, String> {
    let set = text.split(',').map(|id| number("conditions", id.trim(), 1..=i64::MAX)).collect::<Result<Vec<_>, _>>()?;
    if set.len() > MOST_CONCEPTS {
        return Err(format!(
            "the parameter `conditions` has a set of more than {MOST_CONCEPTS} concepts: name their common ancestors"
        ));
    }
    Ok(set)
}

fn ages(text: &str) -> Result<Vec<i64>, String> {
    let ages = text.split(',').map(|age| number("ages", age.trim(), 0..=120)).collect::<Result<Vec<_>, _>>()?;
    if ages.windows(2).any(|pair| pair[0] >= pair[1]) || ages.len() > MOST_AGES {
        return Err(format!(
            "the parameter `ages` lists where strata begin, ascending, at most {MOST_AGES}: for example `0,18,40,65`"
        ));
    }
    Ok(ages)
}

fn number(parameter: &str, text: &str, good: std::ops::RangeInclusive<i64>) -> Result<i64, String> {
    text.parse()
        .ok()
        .filter(|number| good.contains(number))
        .ok_or_else(|| format!("the parameter `{parameter}` has `{text}`, which is no whole number as it takes them"))
}

/// A day of the calendar, as it is written in SQL.
fn day(parameter: &str, text: &str) -> Result<String, String> {
    let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    if let [year, month, day] = parts.as_slice()
        && digits(year, 4)
        && digits(month, 2)
        && digits(day, 2)
        && ("01"..="12").contains(month)
        && ("01"..="31").contains(day)
    {
        return Ok(text.to_owned());
    }
    Err(format!("the parameter `{parameter}` has `{text}`: give a day, for example 2019-01-31"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::Request;

    fn read(given: &[(&str, &str)]) -> Result<Request, String> {
        Request::read(&|name| given.iter().find(|(key, _)| *key == name).map(|(_, text)| (*text).to_owned()))
    }

    #[test]
    fn sets_window_and_strata_are_read() {
        let given = [("conditions", "201826, 443238; 320128"), ("until", "2024-12-31"), ("ages", "0,18,65")];
        let request = read(&given).unwrap();
        assert_eq!(request.sets, [vec![201_826, 443_238], vec![320_128]]);
        assert_eq!((request.year, request.descendants, request.sex), (Some(2024), true, true));
        let request = read(&[("conditions", "1"), ("descendants", "no"), ("sex", "no")]).unwrap();
        assert_eq!((request.year, request.descendants, request.sex), (None, false, false));
    }

    #[test]
    fn each_mistake_has_its_sentence() {
        let one = ("conditions", "1");
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[], "the parameter `conditions` is missing"),
            (&[("conditions", "a")], "the parameter `conditions` has `a`"),
            (&[("conditions", "1;;2")], "the parameter `conditions` has ``"),
            (&[("conditions", "1;2;3;4;5")], "the parameter `conditions` has more than 4 sets"),
            (&[one, ("from", "2019-1-1")], "the parameter `from` has `2019-1-1`: give a day"),
            (&[one, ("from", "2020-01-01"), ("until", "2019-01-01")], "the window ends before it begins"),
            (&[one, ("ages", "18,18")], "the parameter `ages` lists"),
            (&[one, ("ages", "0,18")], "ages are reckoned in one year"),
            (&[one, ("year", "2019")], "the parameter `year` belongs to `ages`"),
            (&[one, ("sex", "both")], "the parameter `sex` has `both`: give yes or no"),
        ];
        for (given, start) in cases {
            let error = read(given).unwrap_err();
            assert!(error.starts_with(start), "{given:?}: {error}");
        }
    }
}
