//! `encode CORE.wasm COMPONENT.wasm`: turns a guest's core module into a validated component, which imports `analysis.wit` alone.

use std::path::Path;
use std::process::ExitCode;
use wit_component::ComponentEncoder;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [core, component] = arguments.as_slice() else {
        eprintln!("usage: encode CORE.wasm COMPONENT.wasm");
        return ExitCode::from(2);
    };
    match encode(Path::new(core), Path::new(component)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("encode: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the core module, writes the component; the error says which of the two and why.
fn encode(core: &Path, component: &Path) -> Result<(), String> {
    let module = std::fs::read(core).map_err(|error| format!("cannot read {}: {error}", core.display()))?;
    let bytes = ComponentEncoder::default()
        .module(&module)
        .map(|encoder| encoder.validate(true))
        .and_then(|encoder| encoder.encode())
        .map_err(|error| format!("{} is not a guest of analysis.wit: {error:#}", core.display()))?;
    std::fs::write(component, bytes).map_err(|error| format!("cannot write {}: {error}", component.display()))
}
