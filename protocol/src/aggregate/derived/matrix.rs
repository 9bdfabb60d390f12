//! Small symmetric matrices: the factor of Cholesky, solutions and inverses. Models have tens of terms, so nothing here needs blocks.

/// A square matrix, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matrix {
    pub(super) size: usize,
    cells: Vec<f64>,
}

impl Matrix {
    pub(super) fn of(size: usize, mut cell: impl FnMut(usize, usize) -> f64) -> Self {
        let cells = (0..size * size).map(|place| cell(place / size, place % size)).collect();
        Self { size, cells }
    }

    pub(super) fn at(&self, row: usize, column: usize) -> f64 {
        self.cells[row * self.size + column]
    }

    fn set(&mut self, row: usize, column: usize, value: f64) {
        self.cells[row * self.size + column] = value;
    }
}

/// The lower factor L of a positive definite matrix with ones on its diagonal: L Lᵀ.
pub(super) struct Factor {
    lower: Matrix,
    /// The least share of a column's own variation that those before it leave.
    pub(super) least: f64,
}

/// What those before a column leave of it is lost in the twelve digits of the parts below this.
const COLLINEAR: f64 = 1e-9;

impl Factor {
    /// Factors a matrix with ones on its diagonal: a matrix of correlations, or one that was scaled so.
    ///
    /// # Errors
    /// The first column that those before it determine.
    pub(super) fn of(matrix: &Matrix) -> Result<Self, usize> {
        let size = matrix.size;
        let mut lower = Matrix::of(size, |_, _| 0.0);
        let mut least = 1.0_f64;
        for column in 0..size {
            let mut left = matrix.at(column, column);
            for before in 0..column {
                left -= lower.at(column, before) * lower.at(column, before);
            }
            if left.is_nan() || left < COLLINEAR {
                return Err(column);
            }
            least = least.min(left);
            lower.set(column, column, left.sqrt());
            for row in column + 1..size {
                let mut value = matrix.at(row, column);
                for before in 0..column {
                    value -= lower.at(row, before) * lower.at(column, before);
                }
                lower.set(row, column, value / lower.at(column, column));
            }
        }
        Ok(Self { lower, least })
    }

    /// The x for which L Lᵀ x = `right`.
    pub(super) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let size = self.lower.size;
        let mut x = right.to_vec();
        for row in 0..size {
            for before in 0..row {
                x[row] -= self.lower.at(row, before) * x[before];
            }
            x[row] /= self.lower.at(row, row);
        }
        for row in (0..size).rev() {
            for after in row + 1..size {
                x[row] -= self.lower.at(after, row) * x[after];
            }
            x[row] /= self.lower.at(row, row);
        }
        x
    }

    pub(super) fn inverse(&self) -> Matrix {
        let size = self.lower.size;
        let unit = |place: usize| (0..size).map(|other| f64::from(u8::from(other == place))).collect::<Vec<_>>();
        let columns: Vec<Vec<f64>> = (0..size).map(|place| self.solve(&unit(place))).collect();
        Matrix::of(size, |row, column| columns[column][row])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::{Factor, Matrix};

    #[test]
    fn a_system_is_solved_and_inverted() {
        let cells = [[1.0, 0.5, 0.2], [0.5, 1.0, -0.3], [0.2, -0.3, 1.0]];
        let factor = Factor::of(&Matrix::of(3, |row, column| cells[row][column])).unwrap();
        let x = factor.solve(&[1.0, 2.0, 3.0]);
        for (row, right) in cells.iter().zip([1.0, 2.0, 3.0]) {
            let product: f64 = row.iter().zip(&x).map(|(cell, x)| cell * x).sum();
            assert!((product - right).abs() < 1e-13);
        }
        let inverse = factor.inverse();
        for (row, cells) in cells.iter().enumerate() {
            for column in 0..3 {
                let product: f64 = (0..3).map(|place| cells[place] * inverse.at(place, column)).sum();
                assert!((product - f64::from(u8::from(row == column))).abs() < 1e-13);
            }
        }
    }

    #[test]
    fn the_column_that_others_determine_is_named() {
        let cells = [[1.0, 0.0, 0.6], [0.0, 1.0, 0.8], [0.6, 0.8, 1.0]];
        assert_eq!(Factor::of(&Matrix::of(3, |row, column| cells[row][column])).err(), Some(2));
        assert_eq!(Factor::of(&Matrix::of(1, |_, _| f64::NAN)).err(), Some(0));
    }
}
