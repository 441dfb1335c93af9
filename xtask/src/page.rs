//! Opens a run's `report.html` as its readers do, and looks whether all of it works.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::browser::{Browser, from_base64};

/// Checks that are written in the page's own language.
const CHECKS: &str = include_str!("page.js");

/// Width and height of a desk's window and of a phone's, in CSS pixels.
const WINDOWS: [(u32, u32); 2] = [(1280, 900), (390, 844)];
const SCHEMES: [&str; 2] = ["light", "dark"];
/// A screenshot is cut into pieces of this height, so that each can be looked at.
const PIECE: u32 = 2400;
const MOST_PIECES: u32 = 24;
/// The design's limit for the page, in bytes.
const LARGEST: u64 = 3_000_000;

/// Checks the page of a run directory, and writes screenshots into a directory.
///
/// # Errors
/// Every fault that was found, one a line; or what kept it from looking.
pub(crate) fn check(words: &[String]) -> Result<String, String> {
    let run = words
        .first()
        .ok_or("name a run directory: cargo run -p xtask -- page DIR [SCREENSHOTS]")?;
    let run = Path::new(run);
    let page = fs::canonicalize(run.join("report.html"))
        .map_err(|error| format!("{}: {error}", run.join("report.html").display()))?;
    let screenshots = PathBuf::from(words.get(1).map_or("target/screenshots", String::as_str));
    fs::create_dir_all(&screenshots)
        .map_err(|error| format!("{}: {error}", screenshots.display()))?;
    let bytes = fs::metadata(&page).map_err(|error| error.to_string())?.len();
    let mut faults = Vec::new();
    if bytes > LARGEST {
        faults.push(format!("the page has {bytes} bytes, more than {LARGEST}"));
    }

    let mut browser = Browser::start(&screenshots)?;
    let address = format!("file://{}", page.display());
    let mut seen = Value::Null;
    for (width, height) in WINDOWS {
        for scheme in SCHEMES {
            let name = format!("{width}-{scheme}");
            show(&mut browser, width, height, scheme)?;
            browser.open(&address)?;
            let found = browser.evaluate(CHECKS)?;
            let list = found["faults"].as_array().ok_or("the checks gave no list")?;
            faults.extend(
                list.iter().map(|fault| format!("{name}: {}", fault.as_str().unwrap_or_default())),
            );
            faults
                .extend(complaints(&mut browser, &address).map(|fault| format!("{name}: {fault}")));
            let height =
                found["height"].as_u64().and_then(|h| u32::try_from(h).ok()).unwrap_or(height);
            photograph(&mut browser, &screenshots, &name, width, height)?;
            seen = found["seen"].clone();
        }
    }
    faults.extend(print(&mut browser, &screenshots)?);
    faults.extend(without_script(&mut browser, &address)?);
    if faults.is_empty() {
        Ok(format!(
            "{}: {bytes} bytes, seen {seen}; screenshots and A4 pages in {}",
            page.display(),
            screenshots.display()
        ))
    } else {
        Err(faults.join("\n"))
    }
}

fn show(browser: &mut Browser, width: u32, height: u32, scheme: &str) -> Result<(), String> {
    let metrics =
        json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
    browser.call("Emulation.setDeviceMetricsOverride", metrics)?;
    let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
    browser.call("Emulation.setEmulatedMedia", media)?;
    Ok(())
}

/// Console errors, exceptions, and whatever the page wanted to load.
fn complaints(browser: &mut Browser, address: &str) -> impl Iterator<Item = String> + use<> {
    let own = address.to_owned();
    let events = std::mem::take(&mut browser.events);
    events.into_iter().filter_map(move |event| {
        let parameters = &event["params"];
        match event["method"].as_str()? {
            "Runtime.exceptionThrown" => {
                Some(format!("exception: {}", parameters["exceptionDetails"]))
            }
            "Runtime.consoleAPICalled" => Some(format!("console: {}", parameters["args"])),
            "Log.entryAdded" => Some(format!("log: {}", parameters["entry"]["text"])),
            "Network.requestWillBeSent" => {
                let url = parameters["request"]["url"].as_str().unwrap_or_default();
                let own = url == own || url.starts_with("data:");
                (!own).then(|| format!("asks for {url}"))
            }
            _ => None,
        }
    })
}

fn photograph(
    browser: &mut Browser,
    into: &Path,
    name: &str,
    width: u32,
    height: u32,
) -> Result<(), String> {
    for piece in 0..height.div_ceil(PIECE).min(MOST_PIECES) {
        let top = piece * PIECE;
        let clip = json!({
            "x": 0, "y": top, "width": width, "height": PIECE.min(height - top), "scale": 1
        });
        let shot = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let shot = browser.call("Page.captureScreenshot", shot)?;
        write(&into.join(format!("{name}-{}.png", piece + 1)), &shot)?;
    }
    Ok(())
}

/// Series that paper does not show.
const UNPRINTED: &str = "[...document.querySelectorAll('figure.chart svg.wide .series')] \
    .filter((series) => series.getClientRects().length === 0).map((series) => series.closest('figure').id)";

/// The page on A4, as a PDF to look at; says which figures lose a series there.
fn print(browser: &mut Browser, into: &Path) -> Result<Vec<String>, String> {
    browser.call("Emulation.setEmulatedMedia", json!({"media": "print"}))?;
    let missing = browser.evaluate(UNPRINTED)?;
    let missing = missing.as_array().ok_or("the check of paper gave no list")?;
    let faults = missing.iter().map(|figure| format!("a4: {figure} lacks a series")).collect();
    browser.call("Emulation.setEmulatedMedia", json!({"media": ""}))?;
    let paper = json!({"preferCSSPageSize": true, "printBackground": true});
    let printed = browser.call("Page.printToPDF", paper)?;
    write(&into.join("a4.pdf"), &printed)?;
    Ok(faults)
}

fn write(file: &Path, reply: &Value) -> Result<(), String> {
    let text = reply["data"].as_str().ok_or("the browser gave no picture")?;
    fs::write(file, from_base64(text)?).map_err(|error| format!("{}: {error}", file.display()))
}

/// Without JavaScript every cell is there, and no control that would do nothing.
fn without_script(browser: &mut Browser, address: &str) -> Result<Vec<String>, String> {
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}))?;
    browser.events.clear();
    browser.open(address)?;
    let document = browser.call("DOM.getDocument", json!({"depth": 0}))?;
    let root = document["root"]["nodeId"].clone();
    let mut count = |selector: &str| -> Result<usize, String> {
        let query = json!({"nodeId": root, "selector": selector});
        let found = browser.call("DOM.querySelectorAll", query)?;
        Ok(found["nodeIds"].as_array().map_or(0, Vec::len))
    };
    let mut faults = Vec::new();
    if count("table.cells tbody tr")? == 0 {
        faults.push("without JavaScript there is no cell".to_owned());
    }
    if count("button, input")? > 0 {
        faults.push("without JavaScript there are controls that do nothing".to_owned());
    }
    Ok(faults)
}
