//! Hidden data: twelve ways to write 64 secret bytes into a table whose figures do not change, and what of them is left in the canonical form.
//!
//! Each channel knows how to write a bit and how to read it back. A bit came through when its reader, given the secret and then the secret's
//! complement, reads the right value both times: a reader that always says 0 learns nothing. What a person sees in the table (a row that stands
//! twice, a word spelt otherwise) is content and is reviewed as such; characters that only a machine tells apart are refused.

use super::study::Dice;
use protocol::disclosure::canonical::{Canonical, Form, canonicalise, parse_csv};
use protocol::disclosure::table::{Cell, CellType, Column, Measure, Role, Table};

/// Bits of the secret: 64 bytes.
pub(crate) const SECRET_BITS: usize = 512;

/// Bits in one table, so that channels of columns fit into the most columns that a policy allows by default.
const TABLE_BITS: usize = 64;

/// A way to hide a bit.
struct Channel {
    name: &'static str,
    medium: Medium,
}

enum Medium {
    /// Some lines of `k,x,at`, written in one of two ways.
    Lines(fn(usize, bool) -> String),
    /// Two columns, which come in one of two orders.
    ColumnOrder,
    /// A column's name, in upper or lower case.
    NameCase,
    /// The key of a row of a table that the host computed.
    Keys(fn(usize, bool) -> Vec<Cell>),
}

/// The figure of a row: fixed.
fn figure(place: usize) -> usize {
    place * 10 + 20
}

fn text(text: String) -> Cell {
    Cell::Text(text)
}

const CHANNELS: [Channel; 17] = [
    Channel {
        name: "row order",
        medium: Medium::Lines(|place, bit| {
            let line = |half: &str| format!("g{place:02}{half},{},\n", figure(place));
            if bit { line("b") + &line("a") } else { line("a") + &line("b") }
        }),
    },
    Channel { name: "column order", medium: Medium::ColumnOrder },
    Channel {
        name: "low digits",
        medium: Medium::Lines(|place, bit| {
            format!("g{place:02},{}.25000000000{},\n", figure(place), if bit { "17" } else { "03" })
        }),
    },
    Channel {
        name: "number spelling",
        medium: Medium::Lines(|place, bit| format!("g{place:02},{}{}.5,\n", if bit { "+" } else { "" }, figure(place))),
    },
    Channel {
        name: "quoting",
        medium: Medium::Lines(|place, bit| {
            if bit {
                format!("\"g{place:02}\",{},\n", figure(place))
            } else {
                format!("g{place:02},{},\n", figure(place))
            }
        }),
    },
    Channel {
        name: "whitespace",
        medium: Medium::Lines(|place, bit| {
            let space = if bit { "\u{A0}" } else { " " };
            format!("ward{space}{place:02}{},{},\n", if bit { " " } else { "" }, figure(place))
        }),
    },
    Channel {
        name: "line ends",
        medium: Medium::Lines(|place, bit| {
            format!("g{place:02},{},{}", figure(place), if bit { "\r\n" } else { "\n" })
        }),
    },
    Channel {
        name: "Unicode forms",
        medium: Medium::Lines(|place, bit| {
            let (letter, dash) = if bit { ("e\u{301}", '\u{2013}') } else { ("\u{E9}", '-') };
            format!("caf{letter} {dash} {place:02},{},\n", figure(place))
        }),
    },
    Channel { name: "case of names", medium: Medium::NameCase },
    Channel {
        name: "duplicate keys",
        medium: Medium::Lines(|place, bit| {
            let line = |figure: usize| format!("g{place:02},{figure},\n");
            let (one, other) = (line(figure(place)), line(figure(place) + 1));
            if bit { other + &one } else { one + &other }
        }),
    },
    Channel {
        name: "empty and missing",
        medium: Medium::Lines(|place, bit| {
            format!("g{place:02},{},{}\n", figure(place), if bit { "\"\"" } else { "" })
        }),
    },
    Channel {
        name: "exponents, zeros and the sign of zero",
        medium: Medium::Lines(|place, bit| match (place % 3, bit) {
            (0, true) => format!("g{place:02},{}e1,2.5\n", place * 3 + 4),
            (0, false) => format!("g{place:02},{}0,2.5\n", place * 3 + 4),
            (1, true) => format!("g{place:02},{}.50,2.5\n", figure(place)),
            (1, false) => format!("g{place:02},{}.5,2.5\n", figure(place)),
            (_, true) => format!("g{place:02},-0.0,2.5\n"),
            (_, false) => format!("g{place:02},0,2.5\n"),
        }),
    },
    // The same through the keys of a table that the host computed: they come from the data, and a component chooses the query.
    Channel {
        name: "row order of keys",
        medium: Medium::Keys(|place, bit| {
            let key = |half: &str| text(format!("g{place:02}{half}"));
            if bit { vec![key("b"), key("a")] } else { vec![key("a"), key("b")] }
        }),
    },
    Channel {
        name: "whitespace in keys",
        medium: Medium::Keys(|place, bit| vec![text(format!("ward{}{place:02}", if bit { "\u{2003}" } else { " " }))]),
    },
    Channel {
        name: "Unicode forms of keys",
        medium: Medium::Keys(|place, bit| {
            vec![text(format!("caf{} {place:02}", if bit { "e\u{301}" } else { "\u{E9}" }))]
        }),
    },
    Channel {
        name: "punctuation of keys",
        medium: Medium::Keys(|place, bit| vec![text(format!("b{place:02}{}9", if bit { '\u{2012}' } else { '-' }))]),
    },
    Channel {
        name: "empty and missing keys",
        medium: Medium::Keys(|_, bit| vec![if bit { text(String::new()) } else { Cell::Null }]),
    },
];

/// The table of some bits, as the component wrote it or the host made it.
enum Written {
    Csv(String),
    Table(Table),
}

impl Medium {
    fn write(&self, bits: &[bool]) -> Written {
        let each = bits.iter().copied().enumerate();
        match self {
            Self::Lines(line) => {
                Written::Csv(format!("k,x,at\n{}", each.map(|(place, bit)| line(place, bit)).collect::<String>()))
            }
            Self::ColumnOrder => {
                let pairs: Vec<usize> = each
                    .flat_map(|(place, bit)| {
                        let first = 2 * place + usize::from(bit);
                        [first, 2 * place + usize::from(!bit)]
                    })
                    .collect();
                let names: Vec<String> = pairs.iter().map(|column| format!("c{column}")).collect();
                let row: Vec<String> = pairs.iter().map(|column| format!("{}", figure(*column))).collect();
                Written::Csv(format!("{}\n{}\n", names.join(","), row.join(",")))
            }
            Self::NameCase => {
                let names: Vec<String> =
                    each.map(|(place, bit)| format!("{}{place}", if bit { "C" } else { "c" })).collect();
                let row: Vec<String> = (0..bits.len()).map(|column| figure(column).to_string()).collect();
                Written::Csv(format!("{}\n{}\n", names.join(","), row.join(",")))
            }
            Self::Keys(key) => {
                let columns = vec![
                    Column { name: "k".to_owned(), ty: CellType::Text, role: Role::Key },
                    Column { name: "n".to_owned(), ty: CellType::Integer, role: Role::Measure(Measure::Count) },
                ];
                let keys = each.flat_map(|(place, bit)| key(place, bit));
                Written::Table(Table { columns, rows: keys.map(|key| vec![key, Cell::Integer(20)]).collect() })
            }
        }
    }

    /// What a reader who knows the channel makes of a text: for each bit its value, or nothing.
    fn read(&self, csv: &str, bits: usize) -> Vec<Option<bool>> {
        let only = |yes: bool, no: bool| if yes == no { None } else { Some(yes) };
        let header: Vec<&str> = csv.lines().next().unwrap_or_default().split(',').collect();
        let place_of = |column: usize| header.iter().position(|name| *name == format!("c{column}"));
        let read = |place: usize| match self {
            Self::Lines(line) => only(csv.contains(&line(place, true)), csv.contains(&line(place, false))),
            Self::ColumnOrder => place_of(2 * place).zip(place_of(2 * place + 1)).map(|(one, other)| other < one),
            Self::NameCase => {
                let has = |name: String| header.contains(&name.as_str());
                only(has(format!("C{place}")), has(format!("c{place}")))
            }
            Self::Keys(key) => {
                let written = |bit| {
                    let line =
                        |cell| if let Cell::Text(text) = cell { format!("{text},20\n") } else { ",20\n".to_owned() };
                    key(place, bit).into_iter().map(line).collect::<String>()
                };
                only(csv.contains(&written(true)), csv.contains(&written(false)))
            }
        };
        (0..bits).map(read).collect()
    }
}

impl Written {
    fn canonical(&self) -> anyhow::Result<Canonical> {
        match self {
            Self::Csv(csv) => {
                let mut declared: Vec<String> =
                    csv.lines().next().unwrap_or_default().split(',').map(str::to_ascii_lowercase).collect();
                declared.sort();
                Ok(canonicalise(&parse_csv(csv.as_bytes())?, &Form { declared: Some(declared), ..Form::default() })?)
            }
            Self::Table(table) => Ok(canonicalise(table, &Form::default())?),
        }
    }
}

/// What came of one channel.
#[derive(Clone, Debug)]
pub(crate) struct Leak {
    /// The channel.
    pub(crate) channel: &'static str,
    /// Bits that its reader gets from what the component wrote; none where the host makes the table, which nobody but the host reads.
    pub(crate) written: Option<usize>,
    /// Bits that its reader gets from the canonical form, and at least the number in which the forms of two secrets differ.
    pub(crate) canonical: usize,
}

/// Sends secrets through every channel.
///
/// # Errors
/// When a table has no canonical form: then the channel was refused and is no longer a channel, and the corpus must change.
pub(crate) fn leaks() -> anyhow::Result<Vec<Leak>> {
    let mut dice = Dice::new(64);
    let secret: Vec<bool> = (0..SECRET_BITS).map(|_| dice.below(2) == 1).collect();
    let opposite: Vec<bool> = secret.iter().map(|bit| !bit).collect();
    CHANNELS.iter().map(|channel| leak(channel, &secret, &opposite)).collect()
}

fn leak(channel: &Channel, secret: &[bool], opposite: &[bool]) -> anyhow::Result<Leak> {
    let medium = &channel.medium;
    let (mut written, mut canonical) = (Some(0), 0);
    for (bits, others) in secret.chunks(TABLE_BITS).zip(opposite.chunks(TABLE_BITS)) {
        let (one, other) = (medium.write(bits), medium.write(others));
        written = match (&one, &other) {
            (Written::Csv(one), Written::Csv(other)) => written.map(|known| known + through(medium, bits, one, other)),
            _ => None,
        };
        let (one, other) = (one.canonical()?, other.canonical()?);
        let (left, right) = (String::from_utf8_lossy(one.bytes()), String::from_utf8_lossy(other.bytes()));
        let differing = differing(one.bytes(), other.bytes()) + usize::from(one.schema() != other.schema());
        canonical += through(medium, bits, &left, &right).max(differing);
    }
    Ok(Leak { channel: channel.name, written, canonical })
}

/// The bits that come through: read rightly from the text of a secret, and from that of its complement.
fn through(medium: &Medium, bits: &[bool], text: &str, of_opposite: &str) -> usize {
    let (read, read_opposite) = (medium.read(text, bits.len()), medium.read(of_opposite, bits.len()));
    let right = bits.iter().zip(read.iter().zip(&read_opposite));
    right.filter(|(bit, (one, other))| **one == Some(**bit) && **other == Some(!**bit)).count()
}

/// In how many bits two texts differ; a byte that only one has counts eight.
fn differing(one: &[u8], other: &[u8]) -> usize {
    let common: u32 = one.iter().zip(other).map(|(left, right)| (left ^ right).count_ones()).sum();
    usize::try_from(common).unwrap_or(usize::MAX) + 8 * one.len().abs_diff(other.len())
}
