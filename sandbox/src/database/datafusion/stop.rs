//! Ends what nobody waits for any more: an engine's step may compute for minutes before it comes back to be asked.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use std::fmt::{self, Display, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says that the rows of a query are no longer wanted, when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Unwanted(Arc<AtomicBool>);

impl Unwanted {
    /// The flag that is set then.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for Unwanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes every step of a plan come back often enough.
///
/// A join may make billions of rows from two files that were read long ago: each batch of each step gives the timers a chance. A join whose
/// condition keeps no row makes no batch at all, so there the condition itself looks at the flag.
pub(super) fn stoppable(plan: Arc<dyn ExecutionPlan>, unwanted: &Arc<AtomicBool>) -> Result<Arc<dyn ExecutionPlan>> {
    let plan = plan.transform_up(|step| {
        let step = if let Some(join) = step.downcast_ref::<NestedLoopJoinExec>()
            && let Some(filter) = join.filter()
        {
            let filter = watched(filter, unwanted);
            Arc::new(NestedLoopJoinExecBuilder::from(join).with_filter(Some(filter)).build()?)
        } else if let Some(join) = step.downcast_ref::<HashJoinExec>()
            && let Some(filter) = join.filter()
        {
            let filter = watched(filter, unwanted);
            join.builder().with_filter(Some(filter)).build_exec()?
        } else {
            step
        };
        Ok(Transformed::yes(Arc::new(CooperativeExec::new(step)) as Arc<dyn ExecutionPlan>))
    })?;
    Ok(plan.data)
}

fn watched(filter: &JoinFilter, unwanted: &Arc<AtomicBool>) -> JoinFilter {
    let condition = Watched { inner: Arc::clone(filter.expression()), unwanted: Arc::clone(unwanted) };
    JoinFilter::new(Arc::new(condition), filter.column_indices().to_vec(), Arc::clone(filter.schema()))
}

/// A condition that fails as soon as its rows are unwanted, and is the inner one until then.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn PhysicalExpr>,
    unwanted: Arc<AtomicBool>,
}

impl Display for Watched {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Watched {}

impl Hash for Watched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl PhysicalExpr for Watched {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.inner.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.inner.nullable(schema)
    }

    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.unwanted.load(Ordering::Relaxed) {
            return Err(DataFusionError::Execution("the rows are no longer wanted".into()));
        }
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let inner = children
            .into_iter()
            .next()
            .ok_or_else(|| DataFusionError::Internal("a watched condition has one child".into()))?;
        Ok(Arc::new(Self { inner, unwanted: Arc::clone(&self.unwanted) }))
    }

    fn fmt_sql(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
