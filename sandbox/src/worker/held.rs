//! The handles in a component's calls: the node keeps what stands behind them, so here they are names alone.

/// `database.connection`.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the generated contract names it, and a generated name is public")]
pub enum Connection {}

/// `database.result-set`.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the generated contract names it, and a generated name is public")]
pub enum ResultSet {}

/// `witness.table`.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the generated contract names it, and a generated name is public")]
pub enum Table {}

/// `outputs.output`.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the generated contract names it, and a generated name is public")]
pub enum Output {}
