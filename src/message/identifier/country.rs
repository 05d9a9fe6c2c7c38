//! Countries, as the exchange lists them.

/// ISO 3166-1 alpha-2, ascending, a blank behind each.
const ISO_3166: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ \
    BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM \
    DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS \
    GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN \
    KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ \
    MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM \
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV \
    SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI \
    VN VU WF WS YE YT ZA ZM ZW ";

/// Codes of real traffic that ISO reserves or leaves to users: the Union, Northern Ireland, Kosovo
/// (twice), and the countries of the demonstration.
const BESIDE: &str = "EU XA XI XK XM XU";

pub(super) fn country(text: &str) -> bool {
    let Ok([first, second]) = <[u8; 2]>::try_from(text.as_bytes()) else {
        return false;
    };
    let (listed, _) = ISO_3166.as_bytes().as_chunks::<3>();
    listed.binary_search(&[first, second, b' ']).is_ok()
        || BESIDE.split_ascii_whitespace().any(|code| code == text)
}

/// What others call these countries.
const MISTAKEN: [(&str, &str); 2] = [("UK", "GB"), ("EL", "GR")];

pub(super) fn wrong(text: &str) -> Option<String> {
    if text.len() != 2 || !text.bytes().all(|b| b.is_ascii_uppercase()) {
        return Some("must be two capital letters".to_owned());
    }
    let (_, meant) = MISTAKEN
        .into_iter()
        .find(|(mistaken, _)| *mistaken == text)?;
    Some(format!("is no country code of ISO 3166-1; write {meant}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole_and_ascending() {
        let codes: Vec<_> = ISO_3166.split_ascii_whitespace().collect();
        assert_eq!(codes.len(), 249);
        assert!(codes.is_sorted_by(|a, b| a < b));
    }
}
