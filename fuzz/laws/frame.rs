//! Properties and field tables of a peer: they are refused, or what is read of them is written in
//! octets that we and another codec read as the same.

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, gen_frame, parse_frame};
use carnet::amqp::BasicProperties;
use carnet::amqp::codec::{TableLimits, decode_properties, encode_properties, encode_unexpiring};

const LIMITS: TableLimits = TableLimits {
    depth_max: 8,
    bytes_max: 65_536,
};

/// Whether the octets are properties.
pub(crate) fn holds(octets: &[u8]) -> bool {
    let Ok(read) = decode_properties(octets, LIMITS) else {
        return false;
    };
    let written = encoded(&read);
    // As octets: a number that is none equals nothing, itself included.
    let again = decode_properties(&written, LIMITS).expect("what is written is read");
    assert_eq!(encoded(&again), written);
    another_codec_agrees(&read, &written);

    let mut unexpiring = Vec::new();
    encode_unexpiring(&read, &mut unexpiring);
    let left = decode_properties(&unexpiring, LIMITS).expect("what is written is read");
    assert_eq!(left.expiration(), &None);
    if read.expiration().is_none() {
        assert_eq!(unexpiring, written);
    }
    true
}

fn encoded(properties: &BasicProperties) -> Vec<u8> {
    let mut octets = Vec::new();
    encode_properties(properties, &mut octets);
    octets
}

fn another_codec_agrees(properties: &BasicProperties, written: &[u8]) {
    let header = AMQPContentHeader {
        class_id: 60,
        body_size: 0,
        properties: properties.clone(),
    };
    let frame = gen_frame(&AMQPFrame::Header(1, header))(Vec::new().into());
    let frame = frame.expect("another codec writes them").write;
    // Type, channel, size, class, weight, size of the body; and the end of the frame.
    assert_eq!(frame.get(19..frame.len() - 1), Some(written));
    let read = parse_frame(frame.as_slice());
    let Ok((_, AMQPFrame::Header(1, header))) = read else {
        panic!("another codec does not read what it has written");
    };
    assert_eq!(encoded(&header.properties), written);
}
