//! The block list by REST.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use rest::list::{Page, Query};
use rest::{Failure, form, trace};

use super::{other, user};
use crate::{ChatService, blocking};

/// Whom the caller has blocked, the latest first.
#[utoipa::path(get, path = "/api/chat/blocks", tag = "blocks", params(crate::openapi::ListParameters),
    responses((status = 200, description = "A page of blocks", body = crate::openapi::BlockList),
        crate::openapi::ReaderRefused, crate::openapi::QueryRefused, crate::openapi::Away))]
pub(crate) async fn list_blocks(
    request: HttpRequest,
    service: Data<ChatService>,
) -> Result<HttpResponse, Failure> {
    let user = user(&service, &request).await?;
    let owner = user.text();
    let mut errors = Vec::new();
    let page = Page::of(&Query::of(&request), &["blocks", &owner], &mut errors);
    form::invalid(errors)?;
    let rows = blocking::list(&service.desk.store, &owner, page.before, page.rows()).await?;
    Ok(HttpResponse::Ok().json(page.list(rows, |block| block.block_id)))
}

/// Whether the caller has blocked somebody.
#[utoipa::path(get, path = "/api/chat/blocks/{user_id}", tag = "blocks", params(crate::openapi::Other),
    responses((status = 200, description = "Blocked", body = crate::message::Block),
        crate::openapi::ReaderRefused, crate::openapi::NotFound, crate::openapi::Away))]
pub(crate) async fn get_block(
    request: HttpRequest,
    path: Path<String>,
    service: Data<ChatService>,
) -> Result<HttpResponse, Failure> {
    let user = user(&service, &request).await?;
    let other = other(&path)?;
    let found = blocking::find(&service.desk.store, &user.text(), &other.text()).await?;
    let block = found.ok_or_else(|| Failure::not_found("the user is not blocked"))?;
    Ok(HttpResponse::Ok().json(block))
}

/// Blocks somebody: their messages are refused, and that they type is not shown.
#[utoipa::path(put, path = "/api/chat/blocks/{user_id}", tag = "blocks", params(crate::openapi::Other),
    responses((status = 200, description = "Blocked, now or before", body = crate::message::Block),
        crate::openapi::ReaderRefused, crate::openapi::NotFound, crate::openapi::TooMany,
        crate::openapi::OneselfRefused, crate::openapi::Away))]
pub(crate) async fn put_block(
    request: HttpRequest,
    path: Path<String>,
    service: Data<ChatService>,
) -> Result<HttpResponse, Failure> {
    let user = user(&service, &request).await?;
    let other = other(&path)?;
    let desk = service.desk.clone();
    let block = trace::uninterrupted(async move { desk.block(&user, &other).await }).await?;
    Ok(HttpResponse::Ok().json(block))
}

/// Blocks somebody no more.
#[utoipa::path(delete, path = "/api/chat/blocks/{user_id}", tag = "blocks", params(crate::openapi::Other),
    responses((status = 204, description = "Not blocked, now or before"),
        crate::openapi::ReaderRefused, crate::openapi::NotFound, crate::openapi::Away))]
pub(crate) async fn delete_block(
    request: HttpRequest,
    path: Path<String>,
    service: Data<ChatService>,
) -> Result<HttpResponse, Failure> {
    let user = user(&service, &request).await?;
    let other = other(&path)?;
    let desk = service.desk.clone();
    trace::uninterrupted(async move { desk.unblock(&user, &other).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}
