//! `job`: parameters in, notes out.

use super::Host;
use crate::bindings::quintes::analysis::job;

impl job::Host for Host {
    async fn parameter(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.parameters.get(&name).cloned())
    }

    async fn log(&mut self, line: String) -> wasmtime::Result<()> {
        self.notes.guest(&line);
        Ok(())
    }

    async fn progress(&mut self, fraction: f32) -> wasmtime::Result<()> {
        if let Some(progress) = &self.progress
            && fraction.is_finite()
        {
            progress.send_replace(fraction.clamp(0.0, 1.0));
        }
        Ok(())
    }
}
