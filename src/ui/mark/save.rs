//! Files for the user to keep.

use leptos::prelude::document;
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, HtmlCanvasElement, HtmlImageElement, Url};

use super::ink;

/// Offers `text` as a download.
///
/// Errors: the browser refuses to make a file.
pub fn text(name: &str, mime: &str, text: &str) -> Result<(), JsValue> {
    blob(name, &blob_of(mime, text)?)
}

/// Offers an SVG drawing as a PNG of `scale` times its size.
///
/// Errors: the browser refuses to draw or to make a file; one that fails later leaves no file.
pub fn png(name: &str, svg: &str, scale: f64) -> Result<(), JsValue> {
    let url = Url::create_object_url_with_blob(&blob_of("image/svg+xml", svg)?)?;
    let image = HtmlImageElement::new()?;
    let (drawn, name, drawing) = (image.clone(), name.to_owned(), url.clone());
    let loaded = Closure::once_into_js(move || {
        // Nobody waits for the result: without a canvas there is no file.
        let _ = rasterise(&drawn, scale, name);
        let _ = Url::revoke_object_url(&drawing);
    });
    image.set_onload(Some(loaded.unchecked_ref()));
    image.set_src(&url);
    Ok(())
}

fn rasterise(image: &HtmlImageElement, scale: f64, name: String) -> Result<(), JsValue> {
    let canvas: HtmlCanvasElement = document().create_element("canvas")?.unchecked_into();
    let (width, height) =
        (f64::from(image.natural_width()) * scale, f64::from(image.natural_height()) * scale);
    canvas.set_width(width as u32);
    canvas.set_height(height as u32);
    let context = ink::context(&canvas).ok_or(JsValue::NULL)?;
    context.draw_image_with_html_image_element_and_dw_and_dh(image, 0.0, 0.0, width, height)?;
    let made = Closure::once_into_js(move |made: Option<Blob>| {
        if let Some(made) = made {
            let _ = blob(&name, &made); // As above.
        }
    });
    canvas.to_blob(made.unchecked_ref())
}

fn blob_of(mime: &str, text: &str) -> Result<Blob, JsValue> {
    let options = BlobPropertyBag::new();
    options.set_type(mime);
    Blob::new_with_str_sequence_and_options(&js_sys::Array::of1(&JsValue::from_str(text)), &options)
}

fn blob(name: &str, blob: &Blob) -> Result<(), JsValue> {
    let url = Url::create_object_url_with_blob(blob)?;
    let link: HtmlAnchorElement = document().create_element("a")?.unchecked_into();
    link.set_href(&url);
    link.set_download(name);
    link.click();
    // The download has its own hold on the blob by now.
    leptos::prelude::set_timeout(
        move || {
            let _ = Url::revoke_object_url(&url);
        },
        std::time::Duration::from_secs(10),
    );
    Ok(())
}
