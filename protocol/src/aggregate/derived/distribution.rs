//! Tail probabilities and quantiles of the four distributions that tests and intervals read.

use statrs::function::{beta, erf, gamma};

/// The 0.975 quantile of the standard normal distribution: half the width of a 95 % interval, in standard errors.
pub(crate) const NORMAL_95: f64 = 1.959_963_984_540_054;

/// P(|Z| ≥ |z|) of a standard normal Z.
pub(crate) fn normal_two_sided(z: f64) -> Option<f64> {
    z.is_finite().then(|| erf::erfc(z.abs() / std::f64::consts::SQRT_2))
}

/// P(|T| ≥ |t|) of Student's t with so many degrees of freedom (DLMF 8.17: an incomplete beta function).
pub(crate) fn t_two_sided(t: f64, freedom: f64) -> Option<f64> {
    (t.is_finite() && freedom > 0.0).then(|| incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + t * t)))?
}

/// P(F ≥ f) of Fisher's F.
pub(crate) fn f_above(f: f64, numerator: f64, denominator: f64) -> Option<f64> {
    let sound = f.is_finite() && f >= 0.0 && numerator > 0.0 && denominator > 0.0;
    let below = || denominator / (denominator + numerator * f);
    sound.then(|| incomplete_beta(denominator / 2.0, numerator / 2.0, below()))?
}

/// P(X ≥ x) of χ² with so many degrees of freedom.
pub(crate) fn chi_squared_above(x: f64, freedom: f64) -> Option<f64> {
    let sound = x.is_finite() && x >= 0.0 && freedom > 0.0;
    sound.then(|| if x > 0.0 { gamma::checked_gamma_ur(freedom / 2.0, x / 2.0).ok() } else { Some(1.0) })?
}

/// The t beyond which, on both sides, 5 % lie: half the width of a 95 % interval, in standard errors.
pub(crate) fn t_95(freedom: f64) -> Option<f64> {
    let (mut low, mut high) = (0.0, 20.0);
    // One degree of freedom has 12.7; fewer than one do not occur.
    if t_two_sided(high, freedom)? > 0.05 {
        return None;
    }
    // Halving leaves nothing of the interval after as many steps as a double has digits and powers.
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if t_two_sided(middle, freedom)? > 0.05 { low = middle } else { high = middle }
    }
    Some(f64::midpoint(low, high))
}

fn incomplete_beta(a: f64, b: f64, x: f64) -> Option<f64> {
    beta::checked_beta_reg(a, b, x).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) {
        let found = found.expect("there is a value");
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} is not {expected}");
    }

    /// By scipy 1.17: norm.sf, t.sf, f.sf, chi2.sf, t.ppf.
    #[test]
    fn tails_are_those_of_scipy() {
        close(normal_two_sided(1.0), 0.317_310_507_862_914_1);
        close(normal_two_sided(-9.5), 2.098_903_015_072_521e-21);
        close(t_two_sided(2.0, 7.0), 0.085_619_328_562_976_05);
        close(t_two_sided(-30.0, 431.0), 1.375_368_414_949_946_3e-107);
        close(t_two_sided(3.0, 20_180.0), 0.002_703_091_370_644_664);
        close(f_above(46.27, 10.0, 431.0), 3.850_849_480_866_993e-62);
        close(chi_squared_above(3.0, 2.0), 0.223_130_160_148_429_82);
        close(chi_squared_above(250.0, 4.0), 6.509_689_997_375_721e-53);
        close(chi_squared_above(0.0, 3.0), 1.0);
    }

    #[test]
    fn what_has_no_tail_has_none() {
        assert_eq!(normal_two_sided(f64::NAN), None);
        assert_eq!(t_two_sided(1.0, 0.0), None);
        assert_eq!(f_above(f64::INFINITY, 1.0, 1.0), None);
        assert_eq!(chi_squared_above(-1.0, 1.0), None);
        assert_eq!(t_95(0.1), None);
    }

    #[test]
    fn half_intervals_are_those_of_scipy() {
        close(t_95(1.0), 12.706_204_736_174_694);
        close(t_95(10.0), 2.228_138_851_986_274);
        close(t_95(1e6), 1.959_966_356_814_107);
    }
}
