//! Carries one trace across the broker, as a W3C trace context.

use std::fmt;

use lapin::types::{AMQPValue, FieldTable};
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The headers that carry a trace: the trace and span, and what vendors add.
pub(crate) const HEADERS: [&str; 2] = ["traceparent", "tracestate"];

/// Reads a `traceparent` and its `tracestate`. `None` if they are not well formed.
pub(crate) fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<SpanContext> {
    let mut parts = traceparent.splitn(4, '-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // A later version may add fields behind the flags.
    let flags = if version == "00" { flags } else { flags.split('-').next()? };
    let hex = |text: &str, length| text.len() == length && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    if !(hex(version, 2) && version != "ff" && hex(trace, 32) && hex(span, 16) && hex(flags, 2)) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let state = tracestate.and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    Some(SpanContext::new(trace, span, flags, true, state)).filter(SpanContext::is_valid)
}

/// Writes a span as a `traceparent`.
pub(crate) fn write(span: &SpanContext) -> Option<String> {
    let sampled = u8::from(span.is_sampled());
    span.is_valid().then(|| format!("00-{}-{}-{sampled:02x}", span.trace_id(), span.span_id()))
}

/// Gives a span its name and attributes, if it is recorded: each costs an allocation, and nobody reads those of other
/// spans. Returns what others need to continue its trace.
pub(crate) fn describe<A: IntoIterator<Item = KeyValue>>(
    span: &Span,
    name: fmt::Arguments<'_>,
    attributes: impl FnOnce() -> A,
) -> SpanContext {
    let context = span.context();
    let span = context.span();
    if span.is_recording() {
        span.update_name(name.to_string());
        span.set_attributes(attributes());
    }
    span.span_context().clone()
}

/// The headers that name a span, if it is part of a trace.
pub(crate) fn headers(context: &SpanContext) -> Option<FieldTable> {
    let parent = write(context)?;
    let mut headers = FieldTable::default();
    headers.insert(HEADERS[0].into(), AMQPValue::LongString(parent.into()));
    let state = context.trace_state().header();
    if !state.is_empty() {
        headers.insert(HEADERS[1].into(), AMQPValue::LongString(state.into()));
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use proptest::proptest;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_span_survives_being_written_and_read() {
        let span = parse(PARENT, Some("vendor=1")).unwrap();
        assert_eq!(write(&span).as_deref(), Some(PARENT));
        assert_eq!(span.trace_state().header(), "vendor=1");
        assert!(span.is_remote());
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        let zero = format!("00-{}-b7ad6b7169203331-01", "0".repeat(32));
        for text in [
            "",
            "00",
            &PARENT[..54],
            &PARENT.to_uppercase(),
            &format!("{PARENT}-x"),
            &PARENT.replacen("00", "ff", 1),
            &zero,
        ] {
            assert!(parse(text, None).is_none(), "{text:?}");
        }
        assert!(parse(&format!("{}-later", PARENT.replacen("00", "01", 1)), None).is_some());
    }

    #[test]
    fn no_text_panics_the_parser() {
        proptest!(|(parent in "\\PC*", state in "\\PC*")| drop(parse(&parent, Some(&state))));
    }
}
