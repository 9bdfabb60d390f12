//! The grammar that a query is read with: the parser's plainest dialect, with bounds on its input, its steps and its stack.

use super::{MAX_BYTES, MAX_DEPTH, StatementError, denied};
use sqlparser::ast::{Expr, Query, Statement as Tree};
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use std::cell::Cell;

/// The stack of the thread that parses and plans. Only what is used of it is ever backed by memory.
pub(crate) const STACK_BYTES: usize = 64 * 1024 * 1024;
/// How many expressions the parser may begin. It goes back and tries again, which without a bound takes exponential time on bad input.
const MAX_STEPS: u32 = 100_000;
/// How deep queries may stand inside each other: at each level the parser may read what follows twice.
const MAX_QUERIES_DEEP: usize = 12;
/// The parser's own guard. It counts several frames for one level of ours.
const RECURSION_LIMIT: usize = 4 * MAX_DEPTH;

/// Plain SQL: ASCII identifiers, `"quoted"` ones, `'text'`, `$1`. No dollar quotes, no escapes, no engine's own syntax.
#[derive(Debug)]
struct Plain {
    steps: Cell<u32>,
}

impl Dialect for Plain {
    fn is_identifier_start(&self, c: char) -> bool {
        c.is_ascii_alphabetic() || c == '_'
    }

    fn is_identifier_part(&self, c: char) -> bool {
        c.is_ascii_alphanumeric() || c == '_'
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        c == '"'
    }

    fn supports_dollar_placeholder(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn parse_prefix(&self, _parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        // this error alone is passed on by every attempt that the parser would otherwise repeat another way
        (steps > MAX_STEPS).then_some(Err(ParserError::RecursionLimitExceeded))
    }
}

/// Runs `work` where deep recursion cannot end the process.
pub(crate) fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("statement".into())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .expect("a thread can be started: without one the node cannot work at all")
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Reads exactly one query. Call it through [`on_deep_stack`].
pub(crate) fn parse(sql: &str) -> Result<Query, StatementError> {
    if sql.len() > MAX_BYTES {
        return Err(denied(format!("a text longer than {MAX_BYTES} bytes")));
    }
    parse_printed(sql)
}

/// The same of a text of our own printing, which may be longer: each of its parameters has a limit of its own.
pub(super) fn parse_printed(sql: &str) -> Result<Query, StatementError> {
    if sql.chars().any(is_deceptive) {
        return Err(denied("control, invisible or direction-changing characters"));
    }
    let dialect = Plain { steps: Cell::new(0) };
    let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|_| StatementError::Invalid)?;
    check_tokens(&tokens)?;
    let statements = Parser::new(&dialect)
        .with_recursion_limit(RECURSION_LIMIT)
        .with_tokens_with_locations(tokens)
        .parse_statements();
    match statements {
        Ok(mut statements) => match (statements.pop(), statements.pop()) {
            (Some(Tree::Query(query)), None) => Ok(*query),
            _ => Err(StatementError::NotOneQuery),
        },
        Err(ParserError::RecursionLimitExceeded) => Err(too_deep()),
        Err(ParserError::TokenizerError(_) | ParserError::ParserError(_)) => Err(StatementError::Invalid),
    }
}

/// The denial of a text that nests too deep.
pub(super) fn too_deep() -> StatementError {
    denied(format!("expressions nested deeper than {MAX_DEPTH}"))
}

/// Characters that make the text a reviewer sees differ from the text that runs.
fn is_deceptive(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        || matches!(c, '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
        || matches!(c, '\u{E0000}'..='\u{E007F}')
}

/// What can be told from the tokens alone, before anything recurses over them.
fn check_tokens(tokens: &[TokenWithSpan]) -> Result<(), StatementError> {
    let mut tokens = tokens
        .iter()
        .map(|token| &token.token)
        .filter(|token| !matches!(token, Token::Whitespace(_) | Token::EOF))
        .collect::<Vec<_>>();
    if matches!(tokens.last(), Some(Token::SemiColon)) {
        tokens.pop();
    }
    match tokens.first() {
        Some(Token::Word(word))
            if word.quote_style.is_none() && matches!(word.keyword, Keyword::SELECT | Keyword::WITH) => {}
        Some(Token::LParen) => {}
        _ => return Err(StatementError::NotOneQuery),
    }
    // for each open parenthesis, whether a query begins in it
    let mut open = Vec::new();
    let mut queries = 0_usize;
    for (i, token) in tokens.iter().enumerate() {
        match token {
            Token::SemiColon => return Err(StatementError::NotOneQuery),
            Token::LParen => {
                let is_query = tokens[i..]
                    .iter()
                    .find(|token| !matches!(token, Token::LParen))
                    .is_some_and(|token| begins_query(token));
                open.push(is_query);
                queries += usize::from(is_query);
                if open.len() > MAX_DEPTH {
                    return Err(too_deep());
                }
                if queries > MAX_QUERIES_DEEP {
                    return Err(denied(format!("queries nested deeper than {MAX_QUERIES_DEEP}")));
                }
            }
            Token::RParen => queries -= usize::from(open.pop().unwrap_or(false)),
            Token::LBracket | Token::RBracket | Token::LBrace | Token::RBrace => {
                return Err(denied("brackets or braces"));
            }
            Token::Word(word)
                if word.quote_style.is_none()
                    && matches!(word.keyword, Keyword::ARRAY | Keyword::STRUCT | Keyword::MAP) =>
            {
                return Err(denied("arrays, structs or maps"));
            }
            // the parser follows a row of these without counting
            Token::Word(word) if word.keyword == Keyword::INTERVAL && is_interval(tokens.get(i + 1)) => {
                return Err(denied("an interval that is not written out"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_interval(token: Option<&&Token>) -> bool {
    matches!(token, Some(Token::Word(word)) if word.keyword == Keyword::INTERVAL)
}

fn begins_query(token: &Token) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none()
        && matches!(word.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::VALUE | Keyword::TABLE | Keyword::FROM))
}
