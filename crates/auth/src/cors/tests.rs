use actix_web::error::ErrorImATeapot;
use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, web};

use super::*;
use crate::origin::Environment;

const PAGE: &str = "https://app.example";

fn listed() -> OriginPolicy {
    OriginPolicy::new(Some(PAGE), Environment::Production).expect("a list")
}

/// What a request is answered by an app with `/ok`, and with `/refused`, which a middleware refuses.
async fn answer(request: TestRequest) -> HttpResponse {
    let app = App::new()
        .wrap(from_fn(|request: ServiceRequest, next: Next<BoxBody>| async move {
            if request.path() == "/refused" {
                return Err(ErrorImATeapot("refused"));
            }
            next.call(request).await
        }))
        .wrap(middleware(listed()))
        .route("/ok", web::get().to(HttpResponse::Ok))
        .route(
            "/coded",
            web::get().to(async || HttpResponse::Ok().insert_header((VARY, "Accept-Encoding")).finish()),
        );
    let app = init_service(app).await;
    match app.call(request.to_request()).await {
        Ok(response) => response.into(),
        Err(error) => error.error_response(),
    }
}

fn header(response: &HttpResponse, name: HeaderName) -> Option<&str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

#[actix_web::test]
async fn a_preflight_names_what_services_take_whatever_stands_at_its_path() {
    for path in ["/ok", "/nothing", "/refused"] {
        let request = TestRequest::with_uri(path)
            .method(Method::OPTIONS)
            .insert_header((ORIGIN, PAGE))
            .insert_header((ACCESS_CONTROL_REQUEST_METHOD, "PATCH"));
        let response = answer(request).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_ORIGIN), Some(PAGE));
        assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_METHODS), Some(METHODS));
        assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_HEADERS), Some(HEADERS));
        assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_CREDENTIALS), Some("true"));
    }
}

#[actix_web::test]
async fn a_listed_page_may_read_every_answer_errors_included() {
    for (path, status) in
        [("/ok", StatusCode::OK), ("/nothing", StatusCode::NOT_FOUND), ("/refused", StatusCode::IM_A_TEAPOT)]
    {
        let response = answer(TestRequest::with_uri(path).insert_header((ORIGIN, PAGE))).await;
        assert_eq!(response.status(), status);
        assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_ORIGIN), Some(PAGE), "{path}");
        assert_eq!(header(&response, ACCESS_CONTROL_EXPOSE_HEADERS), Some(EXPOSED), "{path}");
        assert_eq!(header(&response, VARY), Some("Origin"), "{path}");
    }
}

#[actix_web::test]
async fn another_page_may_read_nothing_and_no_cache_may_mix_them_up() {
    for request in [
        TestRequest::with_uri("/ok").insert_header((ORIGIN, "https://other.example")),
        TestRequest::with_uri("/ok"),
    ] {
        let response = answer(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_ORIGIN), None);
        assert_eq!(header(&response, VARY), Some("Origin"));
    }
}

#[actix_web::test]
async fn what_an_answer_varies_by_besides_is_kept() {
    for request in
        [TestRequest::with_uri("/coded").insert_header((ORIGIN, PAGE)), TestRequest::with_uri("/coded")]
    {
        let response = answer(request).await;
        let vary: Vec<_> = response.headers().get_all(VARY).collect();
        assert_eq!(vary, ["Accept-Encoding", "Origin"]);
    }
}
