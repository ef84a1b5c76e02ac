use actix_web::http::Method;
use actix_web::{App, test};

use super::*;

async fn asked(method: Method, range: Option<&str>) -> (u16, String, String, usize) {
    let app = test::init_service(App::new().configure(configure)).await;
    let mut request = test::TestRequest::with_uri("/sounds/notification.mp3").method(method);
    if let Some(range) = range {
        request = request.insert_header(("Range", range));
    }
    let answer = test::call_service(&app, request.to_request()).await;
    let header = |name: &str| {
        answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let (status, range, media) = (answer.status().as_u16(), header("content-range"), header("content-type"));
    (status, range, media, test::read_body(answer).await.len())
}

#[actix_web::test]
async fn the_sound_is_there_as_a_whole_and_by_parts() {
    let length = NOTIFICATION.len();
    assert!(NOTIFICATION.starts_with(&[0xFF]) || NOTIFICATION.starts_with(b"ID3"), "an MPEG audio frame");
    let whole = (200, String::new(), "audio/mpeg".to_owned(), length);
    assert_eq!(asked(Method::GET, None).await, whole);
    let part = |range: String, bytes| (206, range, "audio/mpeg".to_owned(), bytes);
    assert_eq!(asked(Method::GET, Some("bytes=0-1")).await, part(format!("bytes 0-1/{length}"), 2));
    let rest = format!("bytes 10-{}/{length}", length - 1);
    assert_eq!(asked(Method::GET, Some("bytes=10-")).await, part(rest, length - 10));
    let last = format!("bytes {}-{}/{length}", length - 3, length - 1);
    assert_eq!(asked(Method::GET, Some("bytes=-3")).await, part(last, 3));
    let beyond = (416, format!("bytes */{length}"), String::new(), 0);
    assert_eq!(asked(Method::GET, Some("bytes=999999-")).await, beyond);
    for odd in ["bytes=0-1,4-5", "lines=1-2", "nonsense"] {
        assert_eq!(asked(Method::GET, Some(odd)).await, whole, "{odd}");
    }
    assert_eq!(asked(Method::POST, None).await.0, 405);
}
