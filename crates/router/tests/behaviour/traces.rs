use millrace_packet::rtcp::SenderInfo;
use millrace_packet::rtcp::feedback::FeedbackSsrcs;
use millrace_router::{Direction, RouterEvent, Trace, TraceKinds};

use crate::call::{Call, Rtp, VIDEO_SSRC, ms};

fn names(call: &Call) -> Vec<(&'static str, &'static str)> {
    let trace_name = |trace: &Trace| match trace {
        Trace::Rtp { direction: Direction::In, .. } => "rtp in",
        Trace::Rtp { .. } => "rtp out",
        Trace::KeyFrame { direction: Direction::In, .. } => "keyframe in",
        Trace::KeyFrame { .. } => "keyframe out",
        Trace::Nack { direction: Direction::In } => "nack in",
        Trace::Nack { .. } => "nack out",
        Trace::PictureLoss { direction: Direction::In, .. } => "pli in",
        Trace::PictureLoss { .. } => "pli out",
        Trace::FullIntraRequest { .. } => "fir",
        Trace::SenderReport { .. } => "sr",
    };
    let event_name = |event: &RouterEvent| match event {
        RouterEvent::ProducerTrace { trace, .. } => Some(("producer", trace_name(trace))),
        RouterEvent::ConsumerTrace { trace, .. } => Some(("consumer", trace_name(trace))),
        _ => None,
    };
    call.out.events.iter().filter_map(event_name).collect()
}

fn traced(producer_kinds: TraceKinds, consumer_kinds: TraceKinds) -> Vec<(&'static str, &'static str)> {
    let (mut call, producer) = Call::with_video();
    let (viewer, ssrc, consumer) = call.view(producer);
    call.router.trace_producer(producer, producer_kinds);
    call.router.trace_consumer(consumer, consumer_kinds);
    call.publish(&Rtp::key(1));
    call.publish(&Rtp::delta(3));
    call.rtcp(call.publisher, |writer| writer.sender_report(VIDEO_SSRC, &SenderInfo::default(), &[]).unwrap());
    call.rtcp(viewer, |writer| {
        writer.nack(FeedbackSsrcs { sender: 1, media: ssrc }, [1000]).unwrap();
        writer.picture_loss(1, ssrc).unwrap();
    });
    call.run_for(ms(30));
    names(&call)
}

#[test]
fn nothing_is_traced_unless_asked_for() {
    assert_eq!(traced(TraceKinds::NONE, TraceKinds::NONE), []);
}

#[test]
fn a_key_frame_is_traced_as_such_where_wanted_and_else_as_a_packet() {
    let both = TraceKinds::RTP.with(TraceKinds::KEY_FRAME);
    assert_eq!(traced(both, TraceKinds::NONE), [("producer", "keyframe in"), ("producer", "rtp in")]);
    assert_eq!(traced(TraceKinds::NONE, TraceKinds::RTP), [("consumer", "rtp out"), ("consumer", "rtp out")]);
}

#[test]
fn feedback_is_traced_on_either_side() {
    let kinds = TraceKinds::NACK.with(TraceKinds::PLI).with(TraceKinds::SR);
    let expected = [("producer", "sr"), ("consumer", "nack in"), ("consumer", "pli in"), ("producer", "nack out")];
    assert_eq!(traced(kinds, kinds), expected);
}
