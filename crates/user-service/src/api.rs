//! The calls (contract: services, rows of the user service): what is read from a request, and what is answered.
//!
//! The order in each is: who calls (the peer's budget, or the token), then the body, then its members, then the work,
//! which goes on to its end if the caller goes away.

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use rest::metrics::{Watch, resource};
use rest::{Failure, Form, body, form, trace};

use crate::accounts::{Accounts, Registration};
use crate::email::Email;
use crate::sessions::LONGEST_TOKEN;
use events::UserType;
use shapes::{Pair, SignedIn};

mod openapi;
mod shapes;

pub(crate) use openapi::openapi;

/// Characters of a password that is set (contract: services, Everywhere).
const PASSWORD: (usize, usize) = (8, 200);

/// Characters of a name (contract: services, Everywhere).
const NAME: (usize, usize) = (1, 200);

/// Adds the paths.
pub(crate) fn configure(config: &mut ServiceConfig, watch: &Watch, accounts: Data<Accounts>) {
    let post = |path: &str| resource(path, "POST");
    config
        .service(
            watch
                .scope("/auth")
                .app_data(accounts.clone())
                .service(post("/register").route(web::post().to(register)))
                .service(post("/login").route(web::post().to(login)))
                .service(post("/refresh").route(web::post().to(refresh)))
                .service(post("/logout").route(web::post().to(logout)))
                .service(post("/logout-all").route(web::post().to(logout_all))),
        )
        .service(
            watch.scope("/users").app_data(accounts.clone()).service(
                resource("/me", "GET, PATCH").route(web::get().to(me)).route(web::patch().to(rename)),
            ),
        )
        .service(
            watch
                .scope("/.well-known")
                .app_data(accounts)
                .service(resource("/jwks.json", "GET").route(web::get().to(jwks))),
        );
}

async fn register(
    accounts: Data<Accounts>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Failure> {
    accounts.admit(peer(&request))?;
    let body = body::json(&request, payload).await?;
    let mut members = Form::parse(&body)?;
    let email = members.required("email", Email::read);
    let password = members.required("password", form::text(PASSWORD.0, PASSWORD.1));
    let name = members.required("name", form::text(NAME.0, NAME.1));
    let user_type = members.required("user_type", form::word(UserType::ALL, UserType::as_str));
    members.finish()?;
    let new = Registration { email: email?, password: password?, name: name?, user_type: user_type? };
    let (user, tokens) = trace::uninterrupted(async move { accounts.register(new).await }).await?;
    Ok(unkept(HttpResponse::Created()).json(SignedIn::new(user, tokens)))
}

async fn login(
    accounts: Data<Accounts>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Failure> {
    accounts.admit(peer(&request))?;
    let body = body::json(&request, payload).await?;
    let mut members = Form::parse(&body)?;
    let email = members.required("email", Email::read);
    // A password that nobody could have set is a wrong one, not a wrong form.
    let password = members.required("password", form::text(1, PASSWORD.1));
    members.finish()?;
    let (email, password) = (email?, password?);
    let (user, tokens) = trace::uninterrupted(async move { accounts.login(email, password).await }).await?;
    Ok(unkept(HttpResponse::Ok()).json(SignedIn::new(user, tokens)))
}

async fn refresh(
    accounts: Data<Accounts>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Failure> {
    let token = refresh_token(&request, payload).await?;
    let tokens = trace::uninterrupted(async move { accounts.refresh(token).await }).await?;
    Ok(unkept(HttpResponse::Ok()).json(Pair::new(tokens)))
}

async fn logout(
    accounts: Data<Accounts>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Failure> {
    let caller = accounts.callers.user(&request).await?;
    let token = refresh_token(&request, payload).await?;
    trace::uninterrupted(async move { accounts.logout(caller.id, token).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn logout_all(
    accounts: Data<Accounts>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Failure> {
    let caller = accounts.callers.user(&request).await?;
    // None is wanted; one that comes is read, so that the connection can be used again.
    body::any(&request, payload).await?;
    trace::uninterrupted(async move { accounts.logout_all(caller.id).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn me(accounts: Data<Accounts>, request: HttpRequest) -> Result<HttpResponse, Failure> {
    let caller = accounts.callers.user(&request).await?;
    let user = accounts.me(caller.id).await?;
    Ok(unkept(HttpResponse::Ok()).json(user))
}

async fn rename(
    accounts: Data<Accounts>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Failure> {
    let caller = accounts.callers.user(&request).await?;
    let body = body::json(&request, payload).await?;
    let mut members = Form::parse(&body)?;
    let name = members.required("name", form::text(NAME.0, NAME.1));
    members.finish()?;
    let name = name?;
    let user = trace::uninterrupted(async move { accounts.rename(caller.id, name).await }).await?;
    Ok(unkept(HttpResponse::Ok()).json(user))
}

async fn jwks(accounts: Data<Accounts>) -> HttpResponse {
    let age = accounts.keys.max_age().as_secs();
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("Cache-Control", format!("public, max-age={age}")))
        .body(accounts.keys.set())
}

async fn refresh_token(request: &HttpRequest, payload: Payload) -> Result<String, Failure> {
    let body = body::json(request, payload).await?;
    let mut members = Form::parse(&body)?;
    let token = members.required("refresh_token", form::text(1, LONGEST_TOKEN));
    members.finish()?;
    Ok(token?)
}

/// An answer that nobody may keep: tokens, or one user's own.
fn unkept(mut answer: actix_web::HttpResponseBuilder) -> actix_web::HttpResponseBuilder {
    answer.insert_header(("Cache-Control", "no-store"));
    answer
}

fn peer(request: &HttpRequest) -> Option<std::net::IpAddr> {
    request.peer_addr().map(|address| address.ip())
}
