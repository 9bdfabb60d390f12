//! The terms of a model, from the text that names its predictors: `age,bmi,sex[M|F]` has the terms `age`, `bmi` and `sex=F`.

/// The terms in their order: a column, or a level of one other than its first, which is the reference. None where the text names none.
pub(super) fn names(predictors: &str) -> Option<Vec<String>> {
    let mut terms = Vec::new();
    for predictor in split(predictors) {
        let (column, levels) = match predictor.split_once('[') {
            Some((column, rest)) => (column.trim(), Some(rest.strip_suffix(']')?)),
            None => (predictor, None),
        };
        if column.is_empty() {
            return None;
        }
        match levels {
            None => terms.push(column.to_owned()),
            Some(levels) => terms.extend(levels.split('|').skip(1).map(|level| format!("{column}={}", level.trim()))),
        }
    }
    (!terms.is_empty()).then_some(terms)
}

/// The parts of a comma list; a comma in brackets divides nothing.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.split(move |c| {
        inside = match c {
            '[' => true,
            ']' => false,
            _ => inside,
        };
        c == ',' && !inside
    })
    .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn the_first_level_is_the_reference() {
        let told = names("age, sex[M|F],region[north, far|south|west],p.bmi").expect("these are terms");
        assert_eq!(told, ["age", "sex=F", "region=south", "region=west", "p.bmi"]);
        for none in ["", "sex[M", "a,,b", "[x|y]"] {
            assert_eq!(names(none), None, "{none}");
        }
    }
}
