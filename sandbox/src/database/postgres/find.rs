//! The granted relations as the catalogue describes them, and what names the server.

use super::rows::column_type;
use super::{OpenError, Options};
use crate::database::Relation;
use crate::value::ColumnInfo;
use sha2::{Digest, Sha256};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

/// A granted relation, before its columns are judged.
pub(super) struct Found {
    pub(super) oid: u32,
    pub(super) name: String,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    /// The type's oid; of a domain, the type below it.
    ty: u32,
    type_name: String,
    nullable: bool,
}

/// All granted relations of one schema.
pub(super) struct Relations {
    pub(super) schema: String,
    pub(super) found: Vec<Found>,
}

/// Finds each granted name in the schema.
pub(super) async fn relations(client: &Client, options: &Options) -> Result<Relations, OpenError> {
    let mut found: Vec<Found> = Vec::new();
    for name in &options.tables {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && !name.starts_with(|first: char| first.is_ascii_digit());
        if name.is_empty() || name.len() > 63 || !is_plain || found.iter().any(|found| found.name == *name) {
            return Err(OpenError::Name(name.clone()));
        }
        let row = client
            .query_opt(
                "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
                &[&options.schema, name],
            )
            .await
            .map_err(OpenError::Engine)?;
        let Some(row) = row else {
            let there = there(client, &options.schema).await.map_err(OpenError::Engine)?;
            return Err(OpenError::Missing { schema: options.schema.clone(), table: name.clone(), there });
        };
        let oid: u32 = row.get(0);
        let columns = columns(client, oid).await.map_err(OpenError::Engine)?;
        found.push(Found { oid, name: name.clone(), columns });
    }
    Ok(Relations { schema: options.schema.clone(), found })
}

async fn there(client: &Client, schema: &str) -> Result<Vec<String>, Error> {
    let rows = client
        .query(
            "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm') ORDER BY 1 LIMIT 100",
            &[&schema],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn columns(client: &Client, relation: u32) -> Result<Vec<Column>, Error> {
    let rows = client
        .query(
            "SELECT a.attname::text, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, format_type(t.oid, NULL), \
             NOT a.attnotnull FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
             WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            &[&relation],
        )
        .await?;
    let column = |row: &tokio_postgres::Row| Column {
        name: row.get(0),
        ty: row.get(1),
        type_name: row.get(2),
        nullable: row.get(3),
    };
    Ok(rows.iter().map(column).collect())
}

impl Relations {
    /// The relations as a query sees them; a column that cannot be offered refuses the dataset.
    pub(super) fn into_relations(self, subject: Option<&str>) -> Result<Vec<Relation>, OpenError> {
        let Self { schema, found } = self;
        let relation = |found: Found| {
            let table = found.name;
            let columns = found.columns.into_iter().map(|column| column.judged(&schema, &table));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let subject = subject.filter(|subject| columns.iter().any(|column| column.name == *subject));
            Ok(Relation { subject: subject.map(ToOwned::to_owned), columns, schema: Some(schema.clone()), name: table })
        };
        found.into_iter().map(relation).collect()
    }
}

impl Column {
    fn judged(self, schema: &str, table: &str) -> Result<ColumnInfo, OpenError> {
        let view = format!("grant a view instead: CREATE VIEW {schema}.{table}_granted AS SELECT …");
        let problem = |problem| OpenError::Column { table: table.to_owned(), column: self.name.clone(), problem };
        if self.name != self.name.to_lowercase() {
            return Err(problem(format!("has capital letters in its name; {view} AS {}", self.name.to_lowercase())));
        }
        let ty = Type::from_oid(self.ty).and_then(|ty| column_type(&ty)).ok_or_else(|| {
            problem(format!("has the type {}, which no component can have; {view} without it, or cast", self.type_name))
        })?;
        Ok(ColumnInfo { name: self.name, ty, nullable: self.nullable })
    }
}

/// SHA-256 over what names the server, the database and the granted relations.
pub(super) async fn identity(client: &Client, relations: &[Relation]) -> Result<[u8; 32], Error> {
    let row = client
        .query_one(
            "SELECT (SELECT system_identifier::text FROM pg_control_system()), \
             (SELECT timeline_id FROM pg_control_checkpoint()), \
             (SELECT oid FROM pg_database WHERE datname = current_database())",
            &[],
        )
        .await?;
    let mut digest = Sha256::new();
    digest.update(b"postgres\0");
    digest.update(row.get::<_, &str>(0));
    digest.update(row.get::<_, i32>(1).to_be_bytes());
    digest.update(row.get::<_, u32>(2).to_be_bytes());
    for relation in relations {
        let names = relation.schema.iter().chain([&relation.name]);
        for name in names.chain(relation.columns.iter().map(|column| &column.name)) {
            digest.update(u64::try_from(name.len()).expect("a name's length fits 64 bits").to_be_bytes());
            digest.update(name);
        }
        digest.update([0xff]);
        relation.columns.iter().for_each(|column| digest.update(format!("{:?}", column.ty)));
    }
    Ok(digest.finalize().into())
}
