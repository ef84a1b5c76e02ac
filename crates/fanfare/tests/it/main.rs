//! All parts together: the hub and the services as processes of their own and as one, told a story by their users, and
//! killed while it goes on.

mod app;
mod chaos;
mod chat;
mod commands;
mod notifications;
mod readme;
mod recorder;
mod stack;
mod story;
mod up;
mod worlds;
