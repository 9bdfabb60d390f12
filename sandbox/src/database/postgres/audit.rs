//! What the role may do beyond reading, and the SQL that takes it away.
//!
//! Nothing of this is within reach of an admitted statement. It is refused all the same: a fault in one defence must not be enough.

use super::find::Relations;
use crate::database::Fault;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row};

/// Extensions that open a way to files, programs or other servers.
const REACHING_OUT: &str =
    "('dblink', 'postgres_fdw', 'file_fdw', 'http', 'pg_net', 'adminpack', 'mysql_fdw', 'oracle_fdw', 'tds_fdw')";

/// Functions of the database itself, not of the catalogue, that the role may call.
const REACHABLE: &str = "has_function_privilege(p.oid, 'EXECUTE') AND has_schema_privilege(n.oid, 'USAGE') \
     AND n.nspname NOT IN ('pg_catalog', 'information_schema')";

/// The relations that the granted ones read, through any number of views, with themselves.
const REACHED: &str = "WITH RECURSIVE reached(oid) AS (SELECT unnest($1::oid[]) UNION SELECT d.refobjid FROM reached r \
     JOIN pg_rewrite w ON w.ev_class = r.oid JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid \
     AND d.refclassid = 'pg_class'::regclass) ";

/// Everything that makes the dataset unsafe.
pub(super) async fn faults(client: &Client, relations: &Relations) -> Result<Vec<Fault>, Error> {
    let mut faults = Vec::new();
    role(client, &mut faults).await?;
    ownership(client, &mut faults).await?;
    writing(client, &mut faults).await?;
    functions(client, &mut faults).await?;
    outside(client, &mut faults).await?;
    granted(client, relations, &mut faults).await?;
    Ok(faults)
}

async fn ask(
    client: &Client,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
    faults: &mut Vec<Fault>,
    fault: impl Fn(&Row) -> (String, String),
) -> Result<(), Error> {
    let rows = client.query(sql, parameters).await?;
    faults.extend(rows.iter().map(fault).map(|(sentence, remedy)| Fault::new(sentence, remedy)));
    Ok(())
}

async fn role(client: &Client, faults: &mut Vec<Fault>) -> Result<(), Error> {
    let powers = "SELECT quote_ident(r.rolname), p.power FROM pg_roles r, LATERAL (VALUES (r.rolsuper, 'SUPERUSER'), \
         (r.rolcreaterole, 'CREATEROLE'), (r.rolcreatedb, 'CREATEDB'), (r.rolreplication, 'REPLICATION'), \
         (r.rolbypassrls, 'BYPASSRLS')) AS p(has, power) WHERE r.rolname = current_user AND p.has";
    ask(client, powers, &[], faults, |row| {
        let (role, power): (&str, &str) = (row.get(0), row.get(1));
        (format!("the role {role} is {power}"), format!("run ALTER ROLE {role} NO{power};"))
    })
    .await?;
    // a superuser is a member of every role
    let member = "SELECT quote_ident(r.rolname), quote_ident(current_user) FROM pg_roles r WHERE r.rolname <> current_user \
         AND (r.rolname LIKE 'pg\\_%' OR r.rolsuper OR r.rolcreaterole OR r.rolbypassrls) \
         AND pg_has_role(current_user, r.oid, 'MEMBER') \
         AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) \
         AND NOT (r.rolname = 'pg_database_owner') ORDER BY 1";
    ask(client, member, &[], faults, |row| {
        let (role, own): (&str, &str) = (row.get(0), row.get(1));
        (format!("the role {own} is a member of {role}"), format!("run REVOKE {role} FROM {own};"))
    })
    .await?;
    let temporary = "SELECT quote_ident(current_user) WHERE current_setting('temp_file_limit') = '-1'";
    ask(client, temporary, &[], faults, |row| {
        let role: &str = row.get(0);
        (
            format!("a query of {role} may fill the server's disk with temporary files"),
            format!("run ALTER ROLE {role} SET temp_file_limit = '1GB';"),
        )
    })
    .await
}

async fn ownership(client: &Client, faults: &mut Vec<Fault>) -> Result<(), Error> {
    let owned = "SELECT o.what, o.name, quote_ident(current_user) FROM ( \
         SELECT 'DATABASE', quote_ident(datname), datdba FROM pg_database WHERE datname = current_database() \
         UNION ALL SELECT 'SCHEMA', quote_ident(nspname), nspowner FROM pg_namespace WHERE nspname !~ '^pg_' \
         UNION ALL SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' \
         WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relowner \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_' \
         UNION ALL SELECT 'FUNCTION', p.oid::regprocedure::text, p.proowner FROM pg_proc p \
         JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname !~ '^pg_') AS o(what, name, owner) \
         WHERE pg_has_role(current_user, o.owner, 'MEMBER') \
         AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) ORDER BY 1, 2 LIMIT 50";
    ask(client, owned, &[], faults, |row| {
        let (what, name, role): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        (
            format!("the role {role} owns the {} {name}, so that it could change it", what.to_lowercase()),
            format!("run ALTER {what} {name} OWNER TO another_role;"),
        )
    })
    .await
}

async fn writing(client: &Client, faults: &mut Vec<Fault>) -> Result<(), Error> {
    let not_super = "NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)";
    let writable = format!(
        "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), quote_ident(current_user) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') \
         AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' AND {not_super} \
         AND NOT pg_has_role(current_user, c.relowner, 'MEMBER') \
         AND (has_table_privilege(c.oid, 'INSERT') OR has_table_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE') \
         OR has_table_privilege(c.oid, 'TRUNCATE') OR has_table_privilege(c.oid, 'TRIGGER') \
         OR has_any_column_privilege(c.oid, 'INSERT') OR has_any_column_privilege(c.oid, 'UPDATE')) ORDER BY 1 LIMIT 50"
    );
    ask(client, &writable, &[], faults, |row| {
        let (relation, role): (&str, &str) = (row.get(0), row.get(1));
        (
            format!("the role {role} may write to {relation}"),
            format!("run REVOKE ALL ON {relation} FROM PUBLIC, {role}; GRANT SELECT ON {relation} TO {role};"),
        )
    })
    .await?;
    let creating = format!(
        "SELECT quote_ident(n.nspname), quote_ident(current_user) FROM pg_namespace n WHERE n.nspname !~ '^pg_(toast|temp)' \
         AND has_schema_privilege(n.oid, 'CREATE') AND NOT pg_has_role(current_user, n.nspowner, 'MEMBER') AND {not_super} ORDER BY 1"
    );
    ask(client, &creating, &[], faults, |row| {
        let (schema, role): (&str, &str) = (row.get(0), row.get(1));
        (
            format!("the role {role} may create objects in the schema {schema}"),
            format!("run REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {role};"),
        )
    })
    .await?;
    let schemas = format!(
        "SELECT quote_ident(d.datname), quote_ident(current_user) FROM pg_database d WHERE d.datname = current_database() \
         AND has_database_privilege(d.oid, 'CREATE') AND NOT pg_has_role(current_user, d.datdba, 'MEMBER') AND {not_super}"
    );
    ask(client, &schemas, &[], faults, |row| {
        let (database, role): (&str, &str) = (row.get(0), row.get(1));
        (
            format!("the role {role} may create schemas in the database {database}"),
            format!("run REVOKE CREATE ON DATABASE {database} FROM PUBLIC, {role};"),
        )
    })
    .await
}

async fn functions(client: &Client, faults: &mut Vec<Fault>) -> Result<(), Error> {
    let definers = format!(
        "SELECT p.oid::regprocedure::text, quote_ident(current_user), CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END \
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prosecdef AND {REACHABLE} ORDER BY 1 LIMIT 50"
    );
    ask(client, &definers, &[], faults, |row| {
        let (function, role, what): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        (
            format!("the role {role} may call {function}, which runs with its owner's rights (SECURITY DEFINER)"),
            format!("run REVOKE EXECUTE ON {what} {function} FROM PUBLIC, {role};"),
        )
    })
    .await?;
    // C functions of an extension are the server's own programs; those of the extensions that reach out are named below
    let untrusted = format!(
        "SELECT p.oid::regprocedure::text, quote_ident(current_user), l.lanname::text, \
         CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END \
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang \
         WHERE NOT l.lanpltrusted AND l.lanname <> 'internal' AND {REACHABLE} AND NOT (l.lanname = 'c' AND EXISTS ( \
         SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')) ORDER BY 1 LIMIT 50"
    );
    ask(client, &untrusted, &[], faults, |row| {
        let (function, role, language, what): (&str, &str, &str, &str) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        (
            format!("the role {role} may call {function}, written in the untrusted language {language}"),
            format!("run REVOKE EXECUTE ON {what} {function} FROM PUBLIC, {role};"),
        )
    })
    .await
}

async fn outside(client: &Client, faults: &mut Vec<Fault>) -> Result<(), Error> {
    let extensions = format!(
        "SELECT quote_ident(e.extname), quote_ident(current_user), string_agg(p.oid::regprocedure::text, ', ' ORDER BY 1) \
         FROM pg_extension e JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e' \
         AND d.classid = 'pg_proc'::regclass JOIN pg_proc p ON p.oid = d.objid \
         WHERE e.extname IN {REACHING_OUT} AND has_function_privilege(p.oid, 'EXECUTE') GROUP BY 1, 2 ORDER BY 1"
    );
    ask(client, &extensions, &[], faults, |row| {
        let (extension, role, functions): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        (
            format!(
                "the role {role} may call functions of the extension {extension}, which reaches out of the database"
            ),
            format!("run DROP EXTENSION {extension}; or REVOKE EXECUTE ON FUNCTION {functions} FROM PUBLIC, {role};"),
        )
    })
    .await?;
    let servers = "SELECT quote_ident(s.srvname), quote_ident(current_user) FROM pg_foreign_server s \
         WHERE has_server_privilege(s.oid, 'USAGE') AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) ORDER BY 1";
    ask(client, servers, &[], faults, |row| {
        let (server, role): (&str, &str) = (row.get(0), row.get(1));
        (
            format!("the role {role} may use the foreign server {server}"),
            format!("run REVOKE USAGE ON FOREIGN SERVER {server} FROM PUBLIC, {role};"),
        )
    })
    .await
}

async fn granted(client: &Client, relations: &Relations, faults: &mut Vec<Fault>) -> Result<(), Error> {
    let oids: Vec<u32> = relations.found.iter().map(|found| found.oid).collect();
    let unreadable = "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), quote_ident(current_user), quote_ident(n.nspname) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY($1::oid[]) \
         AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')) ORDER BY 1";
    ask(client, unreadable, &[&oids], faults, |row| {
        let (relation, role, schema): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        (
            format!("the role {role} may not read all of {relation}"),
            format!("run GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON {relation} TO {role};"),
        )
    })
    .await?;
    let by_superuser = format!(
        "{REACHED} SELECT DISTINCT quote_ident(n.nspname) || '.' || quote_ident(c.relname), quote_ident(o.rolname), \
         CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END FROM reached r JOIN pg_class c ON c.oid = r.oid \
         JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner \
         WHERE c.relkind IN ('v', 'm') AND o.rolsuper AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
    );
    ask(client, &by_superuser, &[&oids], faults, |row| {
        let (view, owner, what): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        (
            format!("the view {view} runs with the rights of the superuser {owner}"),
            format!("run ALTER {what} {view} OWNER TO a_role_that_may_read_its_tables;"),
        )
    })
    .await?;
    let foreign = format!(
        "{REACHED} SELECT DISTINCT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM reached r JOIN pg_class c ON c.oid = r.oid \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'f' ORDER BY 1"
    );
    ask(client, &foreign, &[&oids], faults, |row| {
        let table: &str = row.get(0);
        (
            format!("{table} is a foreign table, which reads from outside the database"),
            format!("grant a copy instead: CREATE MATERIALIZED VIEW copy AS SELECT * FROM {table};"),
        )
    })
    .await?;
    let called = format!(
        "{REACHED} SELECT DISTINCT p.oid::regprocedure::text, quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM reached r \
         JOIN pg_class c ON c.oid = r.oid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_rewrite w ON w.ev_class = c.oid \
         JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_proc'::regclass \
         JOIN pg_proc p ON p.oid = d.refobjid JOIN pg_language l ON l.oid = p.prolang \
         WHERE p.prosecdef OR NOT (l.lanpltrusted OR l.lanname IN ('internal', 'c')) ORDER BY 1"
    );
    ask(client, &called, &[&oids], faults, |row| {
        let (function, view): (&str, &str) = (row.get(0), row.get(1));
        (
            format!("the view {view} calls {function}, which runs with other rights or in an untrusted language"),
            format!("run CREATE OR REPLACE VIEW {view} AS … without it;"),
        )
    })
    .await
}
