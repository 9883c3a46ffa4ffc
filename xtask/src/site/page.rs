//! The last touches on index.html: external script, hashed names, the worker's name, the security policy.

use anyhow::{Context as _, Result, bail, ensure};

use super::bundle::Names;

/// What the page may do, each line with its reason.
///
/// A policy in a meta tag cannot say `frame-ancestors`: anybody may embed Vitrine, which is what we want.
const POLICY: [(&str, &str); 11] = [
    ("default-src", "'none'"),                    // Whatever is not named is refused.
    ("script-src", "'self' 'wasm-unsafe-eval'"),  // Our files and compiling wasm: no inline script, no eval.
    ("worker-src", "'self'"),                     // The engine.
    ("connect-src", "'self' https: data: blob:"), // Our models; a model hub that the user names.
    ("style-src", "'self'"),                      // The one style sheet.
    ("style-src-attr", "'unsafe-inline'"), // Marks are placed by style attributes; these cannot run anything.
    ("img-src", "'self' data: blob:"),     // The icon; exported pictures.
    ("font-src", "'self'"),                // Self-hosted.
    ("manifest-src", "'self'"),            // For installing it as an app.
    ("base-uri", "'none'"),                // Relative URLs stay relative to the page.
    ("form-action", "'none'"),             // A prompt must not leave by a form.
];

/// Turns Trunk's page into the site's.
///
/// Errors: the page is not in the form that Trunk 0.21 leaves, or it would have an inline script, an inline handler or
/// an absolute URL.
pub fn finish(trunk_html: &str, names: &Names) -> Result<String> {
    let html = without_inline_module(trunk_html)?;
    let html = without_preloads(&html);
    let html = names.linked.iter().try_fold(html, |html, (trunks, hashed)| {
        replace_once(&html, &format!("./{trunks}\""), &format!("./{hashed}\""))
    })?;
    let html = insert_after(&html, "<meta charset=\"utf-8\"", &policy_meta())?;
    let html = html.replacen("</head>", &format!("{}</head>", head(names)), 1);
    check(&html)?;
    Ok(html)
}

fn policy_meta() -> String {
    let policy = POLICY.map(|(directive, sources)| format!("{directive} {sources}")).join("; ");
    format!("\n    <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">")
}

fn head(names: &Names) -> String {
    let Names { boot, app_js, app_wasm, worker_js, worker_wasm, linked: _ } = names;
    // The worker's two files are fetched by the browser while the page's module still compiles.
    format!(
        "  <meta name=\"vitrine-worker\" content=\"./{worker_js}\" data-type=\"classic\">\n    \
         <link rel=\"modulepreload\" href=\"./{app_js}\">\n    \
         <link rel=\"preload\" href=\"./{app_wasm}\" as=\"fetch\" type=\"application/wasm\" crossorigin>\n    \
         <link rel=\"prefetch\" href=\"./{worker_js}\">\n    \
         <link rel=\"prefetch\" href=\"./{worker_wasm}\">\n    \
         <script type=\"module\" src=\"./{boot}\"></script>\n  "
    )
}

/// Cuts Trunk's `<script type="module">..</script>`; its work is done by the boot script.
fn without_inline_module(html: &str) -> Result<String> {
    let start =
        html.find("<script type=\"module\">").context("Trunk left no inline module script in index.html")?;
    let len = html[start..].find("</script>").context("the inline script does not end")? + "</script>".len();
    ensure!(html[start..start + len].contains("init("), "the inline script of index.html is not Trunk's");
    Ok(format!("{}{}", &html[..start], &html[start + len..]))
}

/// Cuts Trunk's preload links: they name files that have other names in the site.
fn without_preloads(html: &str) -> String {
    let mut kept = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find("<link rel=\"") {
        let end = rest[start..].find('>').map_or(rest.len(), |len| start + len + 1);
        let link = &rest[start..end];
        kept.push_str(&rest[..start]);
        if !link.starts_with("<link rel=\"preload\"") && !link.starts_with("<link rel=\"modulepreload\"") {
            kept.push_str(link);
        }
        rest = &rest[end..];
    }
    kept + rest
}

fn replace_once(html: &str, from: &str, to: &str) -> Result<String> {
    ensure!(html.matches(from).count() == 1, "index.html should name {from:?} exactly once");
    Ok(html.replacen(from, to, 1))
}

/// Puts `text` behind the tag that starts with `tag`.
fn insert_after(html: &str, tag: &str, text: &str) -> Result<String> {
    let start = html.find(tag).with_context(|| format!("index.html has no {tag}"))?;
    let end = start + html[start..].find('>').context("a tag of index.html does not end")? + 1;
    Ok(format!("{}{text}{}", &html[..end], &html[end..]))
}

/// Refuses what the security policy forbids and what would break under a sub-path.
///
/// Errors: an inline script, an inline event handler, a `javascript:` URL, an absolute path.
pub fn check(html: &str) -> Result<()> {
    for tag in html.split('<').skip(1).map(|piece| piece.split('>').next().unwrap_or(piece)) {
        if tag.starts_with("script") && !tag.contains(" src=") {
            bail!("index.html has an inline script: put it in a file");
        }
        for attribute in [" href=\"/", " src=\"/", " content=\"/"] {
            ensure!(
                !tag.contains(attribute),
                "index.html has an absolute path, which breaks under a sub-path: <{tag}>"
            );
        }
        ensure!(!tag.contains("javascript:"), "index.html has a javascript: URL: <{tag}>");
        let handler = tag.split_whitespace().skip(1).find(|word| {
            word.strip_prefix("on")
                .and_then(|rest| rest.split_once('='))
                .is_some_and(|(name, _)| is_word(name))
        });
        ensure!(handler.is_none(), "index.html has an inline event handler: <{tag}>");
    }
    Ok(())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let name = |stem: &str, extension| super::super::hashed::name(stem, extension, stem.as_bytes());
        Names {
            boot: name("boot", "js"),
            app_js: name("app", "js"),
            app_wasm: name("app", "wasm"),
            worker_js: name("worker", "js"),
            worker_wasm: name("worker", "wasm"),
            linked: vec![("style.css".into(), name("style", "css"))],
        }
    }

    const TRUNK: &str = "<!doctype html><html><head>\n<meta charset=\"utf-8\" />\n\
        <link rel=\"stylesheet\" href=\"./style.css\"/>\n\
        <script type=\"module\">\nimport init from './app.js';\nconst wasm = await init('x');\n</script>\n\
        <link rel=\"modulepreload\" href=\"./app.js\" crossorigin=\"anonymous\">\
        <link rel=\"preload\" href=\"./app_bg.wasm\" as=\"fetch\"></head><body></body></html>";

    #[test]
    fn the_page_has_no_inline_script_and_only_hashed_names() {
        let html = finish(TRUNK, &names()).expect("Trunk's form");
        assert!(!html.contains("import init"), "{html}");
        assert!(
            !html.contains("./app.js") && !html.contains("app_bg.wasm") && !html.contains("./style.css"),
            "{html}"
        );
        assert!(
            html.contains(&format!("content=\"./{}\" data-type=\"classic\"", names().worker_js)),
            "{html}"
        );
        assert!(html.contains("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"), "{html}");
    }

    #[test]
    fn another_form_of_trunk_is_an_error() {
        let error =
            finish(&TRUNK.replace("type=\"module\"", "defer"), &names()).expect_err("must be noticed");
        assert!(error.to_string().contains("no inline module script"), "{error}");
    }

    #[test]
    fn what_the_policy_forbids_is_refused() {
        for bad in [
            "<script>alert(1)</script>",
            "<a href=\"/root\">x</a>",
            "<button onclick=\"x()\">x</button>",
            "<a href=\"javascript:x\">x</a>",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(
            check("<script type=\"module\" src=\"./a.js\"></script><a href=\"./b\">online = one</a>").is_ok()
        );
    }
}
