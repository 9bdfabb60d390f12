//! A look at a component's shape before it is compiled: wasmtime does not treat an expensive compilation as a fault, so the cost is capped here,
//! and a forbidden import is named without compiling anything.

use crate::engine::Unusable;
use wasmparser::{Encoding, Parser, Payload};

/// All that a component may import.
const OFFERED: [&str; 5] = [
    "quintes:analysis/types@0.1.0",
    "quintes:analysis/job@0.1.0",
    "quintes:analysis/database@0.1.0",
    "quintes:analysis/witness@0.1.0",
    "quintes:analysis/outputs@0.1.0",
];

/// The most functions in all modules: a JavaScript engine has about 30,000.
const FUNCTIONS: u64 = 200_000;

/// The largest body of one function, in bytes: register allocation grows faster than the body; an interpreter's loop has about 300 KiB.
const BODY_BYTES: usize = 1024 * 1024;

/// The most nested modules and components.
const PARTS: u64 = 256;

/// The deepest nesting of components.
const DEPTH: usize = 8;

/// The most declared locals of one function.
const LOCALS: u64 = 20_000;

/// The most items of a type, import, export or other section.
const ITEMS: u32 = 200_000;

/// Refuses what is not a component, has a shape that is expensive to compile, imports anything that is not offered or has no `run`.
pub(super) fn check(wasm: &[u8]) -> Result<(), Unusable> {
    let mut depth = 0_usize;
    let mut parts = 0_u64;
    let mut functions = 0_u64;
    let mut refused = Vec::new();
    let mut runs = false;
    let mut begun = false;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|error| {
            if begun { Unusable::Invalid(error.message().to_owned()) } else { Unusable::NotWebAssembly }
        })?;
        match payload {
            Payload::Version { encoding, .. } => {
                if !begun && encoding == Encoding::Module {
                    return Err(Unusable::CoreModule);
                }
                begun = true;
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                parts += 1;
                if parts > PARTS || depth > DEPTH {
                    return Err(Unusable::Structure("nested modules".into()));
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CodeSectionStart { count, .. } => {
                functions += u64::from(count);
                if functions > FUNCTIONS {
                    return Err(Unusable::Structure("functions".into()));
                }
            }
            Payload::CodeSectionEntry(body) => {
                if body.range().len() > BODY_BYTES {
                    return Err(Unusable::Structure("function bodies".into()));
                }
                let mut locals = 0_u64;
                let reader = body.get_locals_reader().map_err(|error| Unusable::Invalid(error.message().to_owned()))?;
                for group in reader {
                    let (count, _) = group.map_err(|error| Unusable::Invalid(error.message().to_owned()))?;
                    locals += u64::from(count);
                    if locals > LOCALS {
                        return Err(Unusable::Structure("lists of locals".into()));
                    }
                }
            }
            Payload::TypeSection(section) if section.count() > ITEMS => {
                return Err(Unusable::Structure("lists of types".into()));
            }
            Payload::ComponentTypeSection(section) if section.count() > ITEMS => {
                return Err(Unusable::Structure("lists of types".into()));
            }
            Payload::ElementSection(section) if section.count() > ITEMS => {
                return Err(Unusable::Structure("lists of elements".into()));
            }
            Payload::DataSection(section) if section.count() > ITEMS => {
                return Err(Unusable::Structure("lists of data".into()));
            }
            // A nested component's imports are met by the component around it.
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(|error| Unusable::Invalid(error.message().to_owned()))?;
                    if !OFFERED.contains(&import.name.name) {
                        refused.push(import.name.name.chars().take(200).collect());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(|error| Unusable::Invalid(error.message().to_owned()))?;
                    runs |= export.name.name == "run";
                }
            }
            _ => {}
        }
    }
    if !refused.is_empty() {
        return Err(Unusable::Imports(refused));
    }
    if runs { Ok(()) } else { Err(Unusable::NoRun) }
}
