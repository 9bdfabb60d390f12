//! Sums, means, variances and covariances of parts as those of the whole, without a row of either.

/// A sum that keeps what rounding drops (Neumaier 1974).
#[derive(Clone, Copy, Default)]
pub(crate) struct Sum {
    total: f64,
    dropped: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, value: f64) {
        let total = self.total + value;
        self.dropped +=
            if self.total.abs() >= value.abs() { (self.total - total) + value } else { (value - total) + self.total };
        self.total = total;
    }

    pub(crate) fn value(&self) -> f64 {
        self.total + self.dropped
    }
}

/// Count, means and the sum of products of deviations of two columns over the same rows; with the same column twice, the sum of squares.
#[derive(Clone, Copy, Default)]
pub(crate) struct Moments {
    /// Rows.
    pub(crate) count: f64,
    /// Mean of the first column.
    pub(crate) mean_x: f64,
    /// Mean of the second column.
    pub(crate) mean_y: f64,
    /// Σ (x − mean_x)(y − mean_y).
    pub(crate) products: f64,
}

impl Moments {
    /// Those of both together (Chan, Golub and LeVeque 1983, equation 1.5).
    pub(crate) fn with(self, other: Self) -> Self {
        let count = self.count + other.count;
        if count <= 0.0 {
            return self;
        }
        let (by_x, by_y) = (other.mean_x - self.mean_x, other.mean_y - self.mean_y);
        let share = other.count / count;
        Self {
            count,
            mean_x: self.mean_x + by_x * share,
            mean_y: self.mean_y + by_y * share,
            products: self.products + other.products + by_x * by_y * self.count * share,
        }
    }

    /// Σ (x − mean_x)(y − mean_y) / (n − 1); `None` for fewer than two rows.
    pub(crate) fn covariance(&self) -> Option<f64> {
        (self.count >= 2.0).then(|| self.products / (self.count - 1.0))
    }
}
