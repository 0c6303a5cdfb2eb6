//! `order check` places or cancels an order and waits until every service shows that it did its part. `helm test` runs it.

mod client;
mod counter;
mod expectation;
mod plan;

use std::process::ExitCode;
use std::time::Duration;

use chassis::{Command, Env, Exit, refuse_faults};
use hyper::header::{HeaderValue, RETRY_AFTER};
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use expectation::Expectation;
use plan::Plan;

/// The command.
pub const CHECK: Command = Command {
    name: "check",
    about: "places an order on CHECK_ORDER_URL and waits until CHECK_…_METRICS show what became of it",
    run,
};

/// The time between two looks at the metrics, and between two attempts to place the order.
const PAUSE: Duration = Duration::from_millis(500);

/// The exit code is 0 if everything was shown, 1 if something was not in time, 64 if the environment or an argument
/// is wrong.
fn run(arguments: &[String]) -> ExitCode {
    if let [argument, ..] = arguments {
        let asked = ["-h", "--help", "help"].contains(&argument.as_str());
        return if asked { help() } else { refuse("order check takes no arguments: see order check --help") };
    }
    let mut env = Env::from_process();
    let plan = Plan::from_env(&mut env);
    if let Some(refusal) = refuse_faults(&env) {
        return refusal;
    }
    let outcome = match chassis::runtime() {
        Ok(runtime) => runtime.block_on(carry_out(&plan)),
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            println!("failed: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn help() -> ExitCode {
    println!("Usage: order check\n\nIt {}. Exit codes: 0 shown, 1 not in time, 64 misconfigured.", CHECK.about);
    println!("\nEnvironment:");
    let mut env = Env::default();
    Plan::from_env(&mut env);
    print!("{}", env.help());
    ExitCode::SUCCESS
}

fn refuse(reason: &str) -> ExitCode {
    eprintln!("{reason}");
    Exit::Misconfigured(reason.to_owned()).code().into()
}

async fn carry_out(plan: &Plan) -> Result<(), String> {
    let deadline = Instant::now() + plan.timeout;
    // Counters only grow, so their values before the order was placed say nothing about it.
    let mut expectations = Vec::new();
    for check in &plan.checks {
        match &check.metrics {
            None => println!("not checked whether it is {}: {} is not set", check.label, check.variable),
            Some(addresses) => expectations.push(Expectation::begin(check, addresses, deadline).await?),
        }
    }
    place(plan, deadline).await?;
    for expectation in &expectations {
        expectation.fulfilled(deadline).await?;
    }
    println!("done");
    Ok(())
}

/// Places one order, or cancels one, with as many attempts as needed. The key, or the order's id, makes them the same.
async fn place(plan: &Plan, deadline: Instant) -> Result<(), String> {
    let id = Uuid::now_v7();
    let key = HeaderValue::try_from(id.to_string()).expect("a UUID is visible ASCII");
    let url = plan.url(id);
    let mut last = "no answer".to_owned();
    let tries = async {
        loop {
            match client::post(&url, &key, plan.body()).await {
                Ok(answer) if answer.status().as_u16() == 202 => return Ok(answer),
                Ok(answer) if !answer.headers().contains_key(RETRY_AFTER) => return Err(client::describe(&answer)),
                Ok(answer) => last = client::describe(&answer),
                Err(reason) => last = reason,
            }
            sleep(PAUSE).await;
        }
    };
    match timeout_at(deadline, tries).await {
        Ok(Ok(answer)) => {
            println!("accepted: {}", client::text(&answer));
            Ok(())
        }
        Ok(Err(reason)) => Err(format!("{url} refused the order: {reason}")),
        Err(_) => Err(format!("{url} accepted no order within {:?}: {last}", plan.timeout)),
    }
}
