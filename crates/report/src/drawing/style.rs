//! The style that a page gives to inlined figures.

use super::looks::{DrawnPath, Look};

/// What is always so.
const ALWAYS: &str = "\
svg.figure{display:block;width:100%;height:auto;color:var(--figure-ink)}
svg.figure.wide{max-width:1040px}
svg.figure.narrow{display:none;max-width:420px}
@media screen and (max-width:640px){svg.figure.wide{display:none}svg.figure.narrow{display:block}}
svg.figure .ground,svg.figure .hollow{fill:var(--figure-ground)}
svg.figure .full{stroke:var(--figure-ground)}
svg.figure .muted{fill:var(--figure-muted)}
svg.figure .grid{stroke:var(--figure-grid)}
svg.figure .axis{stroke:var(--figure-axis)}
svg.figure .area{fill:var(--figure-area)}
svg.figure .noise{fill:var(--figure-noise)}
svg.figure .notice{fill:var(--figure-notice);stroke:var(--figure-notice-edge)}
svg.figure .series.off{display:none}
svg.figure .key.off{opacity:.35}
svg.figure .mark:hover path{stroke-width:2.6}
";

const LIGHT: [(&str, &str); 9] = [
    ("ink", "#1b1f24"),
    ("ground", "#ffffff"),
    ("muted", "#57606a"),
    ("grid", "#dfe3e8"),
    ("axis", "#8c959f"),
    ("area", "#eef0f3"),
    ("noise", "#d3d8de"),
    ("notice", "#fff8e5"),
    ("notice-edge", "#c9a227"),
];
const DARK: [(&str, &str); 9] = [
    ("ink", "#e6edf3"),
    ("ground", "#14181d"),
    ("muted", "#9aa4af"),
    ("grid", "#2b323a"),
    ("axis", "#6e7781"),
    ("area", "#20262d"),
    ("noise", "#3a424c"),
    ("notice", "#2a2410"),
    ("notice-edge", "#8a6d16"),
];

/// The whole style.
pub(crate) fn sheet() -> String {
    let mut style = String::from(ALWAYS);
    for path in DrawnPath::all() {
        let class = Look::for_drawn(path).class();
        style.push_str(&format!("svg.figure .{class}{{color:var(--figure-{class})}}\n"));
    }
    let light = variables(&LIGHT, Look::colour);
    let dark = variables(&DARK, Look::dark_colour);
    style.push_str(&format!(":root{{{light}}}\n"));
    // Paper is light, whatever the screen was.
    style.push_str(&format!(
        "@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n"
    ));
    style.push_str(&format!("@media screen{{:root[data-theme=dark]{{{dark}}}}}\n"));
    style
}

fn variables(plain: &[(&str, &str)], colour: impl Fn(Look) -> &'static str) -> String {
    let plain = plain.iter().map(|(name, value)| format!("--figure-{name}:{value};"));
    let paths = DrawnPath::all().map(|path| {
        let look = Look::for_drawn(path);
        format!("--figure-{}:{};", look.class(), colour(look))
    });
    plain.chain(paths).collect()
}
