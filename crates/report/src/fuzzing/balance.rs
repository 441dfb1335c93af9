//! Whether markup is closed in its order: a reader of HTML and SVG that shares nothing with the writer.

/// Elements that hold nothing and are not closed (HTML Standard, 13.1.2).
const VOID: [&str; 5] = ["meta", "link", "input", "br", "img"];

/// # Errors
/// The first element that is closed out of its order, or never, or whose tag does not end.
pub(super) fn is_balanced(markup: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = markup;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").ok_or("a comment does not end")?.1;
            continue;
        }
        let end = end_of_tag(rest).ok_or_else(|| format!("a tag does not end: {}", start(rest)))?;
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        let name = tag.split([' ', '\n', '/']).find(|part| !part.is_empty()).unwrap_or_default();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':');
        if tag.starts_with('!') || tag.starts_with('?') {
            continue;
        }
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(format!("no element: <{}", start(tag)));
        }
        if tag.starts_with('/') {
            match open.pop() {
                Some(opened) if opened == name => {}
                opened => return Err(format!("</{name}> closes {opened:?}")),
            }
        } else if matches!(name, "script" | "style") {
            // What stands in it is no markup until its own end.
            let end = format!("</{name}>");
            rest = rest.split_once(&end).ok_or_else(|| format!("<{name}> does not end"))?.1;
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("not closed: {open:?}")) }
}

/// Where a tag ends: at the first `>` that stands in no attribute's value.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut is_quoted = false;
    tag.char_indices().find_map(|(at, c)| {
        is_quoted ^= c == '"';
        (c == '>' && !is_quoted).then_some(at)
    })
}

fn start(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Text without its entities, as a browser reads it.
pub(super) fn unescaped(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, c)| text.replace(entity, c))
}
