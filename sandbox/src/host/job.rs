//! `job`: parameters in, notes out.

use super::Host;

impl Host {
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        self.parameters.get(name).cloned()
    }

    pub(super) fn log(&mut self, line: &str) {
        self.notes.guest(line);
    }

    pub(super) fn progress(&self, fraction: f32) {
        if let Some(progress) = &self.progress
            && fraction.is_finite()
        {
            progress.send_replace(fraction.clamp(0.0, 1.0));
        }
    }
}
