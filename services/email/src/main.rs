//! Runs the email service: a consumer, and the mailer that its handler sends by.

use std::process::ExitCode;
use std::sync::Arc;

use chassis::ConsumerService;
use email::{Config, Confirmations, EmailMetrics, Mailer, subscription};

fn main() -> ExitCode {
    chassis::run("email", Config::from_env, async |config, process| {
        let Config { consumer, transport, fallback_to } = config;
        let mailer = Arc::new(Mailer::new(transport, EmailMetrics::register(process.registry())?));
        let handler = Confirmations { mailer: mailer.clone(), fallback_to };
        let service = ConsumerService::start(process, consumer, subscription(), handler).await?;
        let drained = service.run_beside(mailer.tend(process.shutdown())).await;
        drained.deadline().step("smtp sessions", mailer.close()).await;
        drained.close().await
    })
}
