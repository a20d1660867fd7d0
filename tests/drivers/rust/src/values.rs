//! One value of each type.

use scylla::value::{
    CqlDate, CqlDecimal, CqlDuration, CqlTime, CqlTimestamp, CqlTimeuuid, CqlValue, CqlVarint,
};
use uuid::uuid;

fn text(value: &str) -> CqlValue {
    CqlValue::Text(value.to_owned())
}

fn ints(values: &[i32]) -> Vec<CqlValue> {
    values.iter().map(|one| CqlValue::Int(*one)).collect()
}

fn address(keyspace: &str, street: Option<&str>, numbers: &[i32]) -> CqlValue {
    CqlValue::UserDefinedType {
        keyspace: keyspace.to_owned(),
        name: "address".to_owned(),
        fields: vec![
            ("street".to_owned(), street.map(text)),
            ("numbers".to_owned(), Some(CqlValue::List(ints(numbers)))),
        ],
    }
}

/// Each column of the table everything with its value.
pub fn all(keyspace: &str) -> Vec<(&'static str, CqlValue)> {
    let mut minus_2_to_100 = vec![0u8; 13];
    minus_2_to_100[0] = 0xf0;
    let timeuuid = CqlTimeuuid::from(uuid!("50554d6e-29bb-11e5-b345-feff819cdc9f"));
    let nested = CqlValue::List(vec![CqlValue::Set(ints(&[1, 2])), CqlValue::Set(vec![])]);
    vec![
        ("k", text("all")),
        ("an_ascii", CqlValue::Ascii("plain".to_owned())),
        ("a_bigint", CqlValue::BigInt(i64::MIN)),
        ("a_blob", CqlValue::Blob((0..=255).collect())),
        ("a_boolean", CqlValue::Boolean(true)),
        ("a_date", CqlValue::Date(CqlDate((1 << 31) - 165))),
        ("a_decimal", CqlValue::Decimal(
            CqlDecimal::from_signed_be_bytes_and_exponent(vec![0xff, 0x6a], 2))),
        ("a_double", CqlValue::Double(1e-300)),
        ("a_duration", CqlValue::Duration(CqlDuration { months: 14, days: 3, nanoseconds: 5000 })),
        ("a_float", CqlValue::Float(0.5)),
        ("an_inet", CqlValue::Inet("2001:db8::1".parse().expect("an address"))),
        ("an_int", CqlValue::Int(i32::MIN)),
        ("a_smallint", CqlValue::SmallInt(i16::MAX)),
        ("a_text", text("naïve 東京 🎈")),
        ("a_time", CqlValue::Time(CqlTime(86_399_999_999_999))),
        ("a_timestamp", CqlValue::Timestamp(CqlTimestamp(1_709_208_000_123))),
        ("a_timeuuid", CqlValue::Timeuuid(timeuuid)),
        ("a_tinyint", CqlValue::TinyInt(i8::MIN)),
        ("a_uuid", CqlValue::Uuid(uuid!("123e4567-e89b-42d3-a456-426614174000"))),
        ("a_varint", CqlValue::Varint(CqlVarint::from_signed_bytes_be(minus_2_to_100))),
        ("a_list", CqlValue::List(vec![text("b"), text("a"), text("b")])),
        ("a_set", CqlValue::Set(ints(&[3, 1, 2]))),
        ("a_map", CqlValue::Map(vec![(text("x"), CqlValue::Timestamp(CqlTimestamp(0)))])),
        ("nested", CqlValue::Map(vec![(text("n"), nested)])),
        ("a_tuple", CqlValue::Tuple(
            vec![Some(CqlValue::Int(1)), None, Some(CqlValue::Double(2.5))])),
        ("an_udt", address(keyspace, Some("Main Street"), &[1, 2])),
        ("frozen_udt", address(keyspace, None, &[])),
    ]
}
