//! Models over the moments of Spector and Mazzeo's 32 students (1980), against statsmodels.

use super::*;
use crate::disclosure::table::{Cell, Column, Measure, Role};

/// GPA, TUCE, PSI, and whether the grade got better.
const STUDENTS: [[f64; 4]; 32] = [
    [2.66, 20.0, 0.0, 0.0],
    [2.89, 22.0, 0.0, 0.0],
    [3.28, 24.0, 0.0, 0.0],
    [2.92, 12.0, 0.0, 0.0],
    [4.0, 21.0, 0.0, 1.0],
    [2.86, 17.0, 0.0, 0.0],
    [2.76, 17.0, 0.0, 0.0],
    [2.87, 21.0, 0.0, 0.0],
    [3.03, 25.0, 0.0, 0.0],
    [3.92, 29.0, 0.0, 1.0],
    [2.63, 20.0, 0.0, 0.0],
    [3.32, 23.0, 0.0, 0.0],
    [3.57, 23.0, 0.0, 0.0],
    [3.26, 25.0, 0.0, 1.0],
    [3.53, 26.0, 0.0, 0.0],
    [2.74, 19.0, 0.0, 0.0],
    [2.75, 25.0, 0.0, 0.0],
    [2.83, 19.0, 0.0, 0.0],
    [3.12, 23.0, 1.0, 0.0],
    [3.16, 25.0, 1.0, 1.0],
    [2.06, 22.0, 1.0, 0.0],
    [3.62, 28.0, 1.0, 1.0],
    [2.89, 14.0, 1.0, 0.0],
    [3.51, 26.0, 1.0, 0.0],
    [3.54, 24.0, 1.0, 1.0],
    [2.83, 27.0, 1.0, 1.0],
    [3.39, 17.0, 1.0, 1.0],
    [2.67, 24.0, 1.0, 0.0],
    [3.65, 21.0, 1.0, 1.0],
    [4.0, 23.0, 1.0, 1.0],
    [3.1, 21.0, 1.0, 0.0],
    [2.39, 19.0, 1.0, 1.0],
];

/// The table that a host would make: count, mean, variance of every column and the covariances.
fn moments(columns: &[(&str, Vec<f64>)]) -> Table {
    let n = small_count(columns[0].1.len());
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let covariance = |one: &[f64], other: &[f64]| {
        let (x, y) = (mean(one), mean(other));
        one.iter().zip(other).map(|(a, b)| (a - x) * (b - y)).sum::<f64>() / (n - 1.0)
    };
    let mut described = Vec::new();
    let mut row = Vec::new();
    let mut add = |measure: Measure, value: f64| {
        described.push(Column { name: measure.column_name(), ty: CellType::Real, role: Role::Measure(measure) });
        row.push(Cell::Real(value));
    };
    for (place, (name, values)) in columns.iter().enumerate() {
        add(Measure::CountOf((*name).into()), n);
        add(Measure::Mean((*name).into()), mean(values));
        add(Measure::Variance((*name).into()), covariance(values, values));
        for (other, others) in &columns[place + 1..] {
            add(Measure::Covariance((*name).into(), (*other).into()), covariance(values, others));
        }
    }
    Table { columns: described, rows: vec![row] }
}

fn small_count(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

fn column(place: usize) -> Vec<f64> {
    STUDENTS.iter().map(|student| student[place]).collect()
}

/// What the component asks at a state: as its `plan.rs` has it.
fn asked(outcome: usize, predictors: &[usize], parameters: &Parameters) -> Table {
    let y = column(outcome);
    if !parameters.contains_key("round") {
        let mut columns = vec![("y", y)];
        columns.extend(["x1", "x2", "x3"].into_iter().zip(predictors.iter().map(|place| column(*place))));
        return moments(&columns);
    }
    let numbers = |name: &str| -> Vec<f64> { parameters[name].split(',').map(|text| text.parse().unwrap()).collect() };
    let (centre, scale, coefficients) = (numbers("centre"), numbers("scale"), numbers("coefficients"));
    let terms: Vec<Vec<f64>> = STUDENTS
        .iter()
        .map(|student| {
            let scaled = predictors.iter().zip(&centre).zip(&scale);
            scaled.map(|((place, centre), scale)| (student[*place] - centre) / scale).collect()
        })
        .collect();
    let eta: Vec<f64> = terms
        .iter()
        .map(|terms| coefficients[0] + terms.iter().zip(&coefficients[1..]).map(|(x, b)| x * b).sum::<f64>())
        .collect();
    let logistic = parameters["family"] == "logistic";
    let root = |eta: f64| if logistic { 0.5 / (0.5 * eta).cosh() } else { (0.5 * eta).exp() };
    let residual = |y: f64, eta: f64| {
        let (below, above) = ((-0.5 * eta).exp(), (0.5 * eta).exp());
        if logistic { y * below - (1.0 - y) * above } else { y * below - above }
    };
    let likelihood = |y: f64, eta: f64| y * eta - if logistic { (1.0 + eta.exp()).ln() } else { eta.exp() };
    let both = |of: &dyn Fn(f64, f64) -> f64| y.iter().zip(&eta).map(|(y, eta)| of(*y, *eta)).collect::<Vec<_>>();
    let mut columns = vec![("y", y.clone()), ("l", both(&likelihood)), ("u0", both(&|_, eta| root(eta)))];
    for (place, name) in ["u1", "u2", "u3"].into_iter().enumerate().take(predictors.len()) {
        columns.push((name, terms.iter().zip(&eta).map(|(terms, eta)| terms[place] * root(*eta)).collect()));
    }
    columns.push(("z", both(&residual)));
    moments(&columns)
}

fn rows(derived: &Derived, name: &str) -> Vec<f64> {
    let place = derived.table.columns.iter().position(|column| column.name == name).unwrap();
    derived.table.rows.iter().filter_map(|row| row[place].number()).collect()
}

fn close(found: &[f64], expected: &[f64]) {
    near(found, expected, 1e-9);
}

/// Standard errors are those of the last step's beginning.
fn nearly(found: &[f64], expected: &[f64]) {
    near(found, expected, 1e-7);
}

fn near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found / expected - 1.0).abs() < tolerance, "{found} is not {expected}");
    }
}

/// Rounds until it has converged; how many, and the last tables.
fn rounds(family: &str, outcome: usize, names: &str, predictors: &[usize]) -> (u32, Vec<Derived>) {
    let given = [("family", family), ("predictors", names)];
    let mut parameters: Parameters = given.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    loop {
        let (tables, round) = fit("regression", &asked(outcome, predictors, &parameters), &parameters);
        let round = round.unwrap_or_else(|| panic!("{:?}", tables[0].notes));
        assert!(round.round < 12, "{round:?}");
        if round.converged {
            return (round.round, tables);
        }
        assert!(tables[0].notes[0].starts_with("not converged"));
        parameters = round.next;
    }
}

#[test]
fn least_squares_are_those_of_statsmodels() {
    let parameters = Parameters::from([("predictors".to_owned(), "gpa,tuce,psi".to_owned())]);
    let (tables, round) = fit("regression", &asked(3, &[0, 1, 2], &parameters), &parameters);
    assert!(round.is_none());
    close(
        &rows(&tables[0], "coefficient"),
        &[-1.498_017_120_399_608, 0.463_851_679_309_758_9, 0.010_495_122_237_428_399, 0.378_554_787_926_021_5],
    );
    close(
        &rows(&tables[0], "se"),
        &[0.523_888_622_072_976_5, 0.161_956_351_214_106_98, 0.019_482_853_848_830_188, 0.139_172_740_736_085],
    );
    close(
        &rows(&tables[0], "p"),
        &[0.007_929_319_624_510_04, 0.007_840_519_617_644_185, 0.594_361_478_026_065_6, 0.011_087_680_712_559_974],
    );
    close(&rows(&tables[1], "r_squared"), &[0.415_899_712_449_236_3]);
    close(&rows(&tables[1], "p"), &[0.001_571_469_934_146_061_8]);
}

#[test]
fn a_logistic_model_comes_to_statsmodels_estimates_in_rounds() {
    let (last, tables) = rounds("logistic", 3, "gpa,tuce,psi", &[0, 1, 2]);
    assert!(last <= 7, "{last} rounds");
    close(
        &rows(&tables[0], "coefficient"),
        &[-13.021_346_858_115_704, 2.826_112_594_889_323_8, 0.095_157_661_317_909_54, 2.378_687_655_093_355_3],
    );
    nearly(
        &rows(&tables[0], "se"),
        &[4.931_324_213_602_659, 1.262_941_075_629_058_7, 0.141_554_205_673_695_95, 1.064_564_254_497_128_3],
    );
    close(&rows(&tables[1], "log_likelihood"), &[-12.889_634_222_131_413]);
    close(&rows(&tables[1], "lr_chi_squared"), &[15.404_190_949_005_582]);
}

#[test]
fn a_poisson_model_comes_to_statsmodels_estimates_in_rounds() {
    let (_, tables) = rounds("poisson", 1, "gpa,psi", &[0, 2]);
    close(
        &rows(&tables[0], "coefficient"),
        &[2.619_184_868_176_015_7, 0.144_993_781_577_126_95, 0.033_432_317_029_810_36],
    );
    nearly(&rows(&tables[0], "se"), &[0.260_907_689_250_57, 0.081_862_085_475_496_59, 0.076_015_351_555_580_47]);
    close(&rows(&tables[1], "lr_chi_squared"), &[3.406_171_495_272_218_4]);
}

#[test]
fn terms_that_say_the_same_are_named() {
    let y = column(3);
    let gpa = column(0);
    let twice: Vec<f64> = gpa.iter().map(|gpa| 2.0 * gpa - 7.0).collect();
    let said = |columns: &[(&str, Vec<f64>)], family: &str| {
        let given = [("predictors", "gpa,double"), ("family", family)];
        let parameters = given.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let (tables, round) = fit("regression", &moments(columns), &parameters);
        assert!(tables[0].table.rows.is_empty() && round.is_none());
        tables[0].notes[0].clone()
    };
    let collinear = [("y", y.clone()), ("x1", gpa.clone()), ("x2", twice.clone())];
    for family in ["linear", "logistic"] {
        assert!(said(&collinear, family).starts_with("`double` is a linear combination of the terms before it"));
    }
    let constant = [("y", y.clone()), ("x1", vec![0.1; 32]), ("x2", twice.clone())];
    assert!(said(&constant, "linear").starts_with("`gpa` has the same value in every row"));
    assert!(said(&[("y", vec![1.0; 32]), ("x1", gpa.clone()), ("x2", y.clone())], "linear").contains("does not vary"));
    assert!(said(&[("y", twice), ("x1", gpa), ("x2", y)], "poisson").contains("is a count"));
}

#[test]
fn what_is_suppressed_leaves_no_model() {
    let parameters = Parameters::from([("predictors".to_owned(), "gpa,tuce,psi".to_owned())]);
    let whole = asked(3, &[0, 1, 2], &parameters);
    for place in 0..whole.columns.len() {
        let mut table = whole.clone();
        table.rows[0][place] = Cell::Null;
        let (tables, _) = fit("regression", &table, &parameters);
        assert!(tables[0].table.rows.is_empty(), "{}", whole.columns[place].name);
        assert!(tables[0].notes[0].contains("suppressed"), "{:?}", tables[0].notes);
    }
}

#[test]
fn a_separated_outcome_is_told_and_steps_stay_short() {
    let outcome: Vec<f64> = column(0).iter().map(|gpa| f64::from(u8::from(*gpa > 3.0))).collect();
    let given = [("predictors", "gpa"), ("family", "logistic")];
    let parameters: Parameters = given.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let (_, round) = fit("regression", &moments(&[("y", outcome), ("x1", column(0))]), &parameters);
    let next = round.unwrap().next;
    let first: Vec<f64> = next["coefficients"].split(',').map(|text| text.parse().unwrap()).collect();
    assert!(first.iter().all(|coefficient| coefficient.abs() <= 3.0), "{first:?}");
}
