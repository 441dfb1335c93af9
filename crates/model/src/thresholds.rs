//! Where the marks begin. They stand here and in `plan.toml`, nowhere else.

use crate::units::Share;

macro_rules! thresholds {
    ($( $(#[doc = $doc:literal])+ $field:ident = $key:literal: $default:expr, )+) => {
        /// Limits beyond which a trial is marked; shares of the window or of one CPU.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct Thresholds {
            $( $(#[doc = $doc])+ pub $field: Share, )+
        }

        impl Default for Thresholds {
            fn default() -> Self {
                Self { $( $field: Share($default) ),+ }
            }
        }

        impl Thresholds {
            /// The keys, in a plan file and for `--threshold`.
            pub const KEYS: &'static [&'static str] = &[$( $key ),+];

            /// The value of a key.
            pub fn get(&self, key: &str) -> Option<Share> {
                match key { $( $key => Some(self.$field), )+ _ => None }
            }

            /// Sets a key; an underscore stands for a hyphen, as in the plans of earlier versions.
            ///
            /// # Errors
            /// An unknown key, with the nearest right one, or text that is no share.
            pub fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
                match key.replace('_', "-").as_str() {
                    $( $key => self.$field = text.parse()?, )+
                    _ => return Err(crate::nearest::unknown("threshold", key, Self::KEYS)),
                }
                Ok(())
            }
        }
    };
}

thresholds! {
    /// Noted: goodput of the first and the last third of a steady window differ by more than this.
    unsettled = "unsettled": 0.10,
    /// Void: a worker's own window differs from the ordered one by more than this; of slices, it missed so many (saw less than an eighth of them), and two at least or all.
    window_void = "window-void": 0.25,
    /// Noted: a worker's own window differs from the ordered one by more than this; of slices, it missed so many (saw less than an eighth of them), or its bytes stood still in so many.
    window_noted = "window-noted": 0.05,
    /// Noted: bytes accepted and received in the window differ by more than this.
    imbalance = "imbalance": 0.01,
    /// Noted: stolen time of the CPUs in use.
    steal = "steal": 0.02,
    /// Noted: a CPU in use gave more than this to others than the ends and their softirqs.
    others = "others": 0.05,
    /// Noted: a CPU's frequency changed by more than this between the window's edges.
    frequency = "frequency": 0.05,
}
