//! Currencies of ISO 4217 and the decimals of each.

/// Those with two decimals; lists are ascending, a blank behind each code.
const TWO: &str = "\
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD \
    CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP \
    GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD \
    LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB \
    PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC \
    SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW \
    ZWG ";
const NONE: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ";
const THREE: &str = "BHD IQD JOD KWD LYD OMR TND ";
const FOUR: &str = "CLF UYW ";

/// How many decimals amounts of `currency` have; none where it is no currency.
pub(crate) fn minor_unit(currency: &str) -> Option<usize> {
    let Ok([a, b, c]) = <[u8; 3]>::try_from(currency.as_bytes()) else {
        return None;
    };
    let lists = [(TWO, 2), (NONE, 0), (THREE, 3), (FOUR, 4)];
    let is_in = |list: &str| {
        let (codes, _) = list.as_bytes().as_chunks::<4>();
        codes.binary_search(&[a, b, c, b' ']).is_ok()
    };
    lists
        .into_iter()
        .find(|(list, _)| is_in(list))
        .map(|(_, decimals)| decimals)
}

pub(super) fn iso_4217(text: &str) -> bool {
    minor_unit(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_ascending() {
        for list in [TWO, NONE, THREE, FOUR] {
            let codes: Vec<_> = list.split_ascii_whitespace().collect();
            assert!(codes.is_sorted_by(|a, b| a < b));
            assert_eq!(codes.len() * 4, list.len());
        }
    }

    #[test]
    fn a_currency_has_its_own_decimals() {
        assert_eq!(minor_unit("JPY"), Some(0));
        assert_eq!(minor_unit("EUR"), Some(2));
        assert_eq!(minor_unit("KWD"), Some(3));
        assert_eq!(minor_unit("RMB"), None);
    }
}
