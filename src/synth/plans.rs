//! Blocks of numbers that are valid mobile numbers throughout.
//!
//! Each block was found by asking libphonenumber (metadata 9.0.42) about every prefix two to
//! three digits deeper than written here, filled up with zeros, fives and nines: all are valid,
//! mobile (or of the plan's mixed type), of this very country, and read the same from the
//! international and the national spelling. The weights are a messenger's population in rough
//! thousandths, made up from public market sizes.

/// One country's pattern.
pub(super) struct Plan {
    /// ISO 3166-1 alpha-2.
    pub(super) region: &'static str,
    pub(super) calling_code: u64,
    /// What is dialled before the national number at home; empty where nothing is.
    pub(super) trunk: &'static str,
    /// International dialling prefix, for rows that use one; empty where a carrier code belongs
    /// behind it.
    pub(super) abroad: &'static str,
    pub(super) weight: u64,
    /// Digits of the national significant number.
    pub(super) digits: usize,
    /// Digits free behind a prefix.
    free: u32,
    runs: &'static [Run],
}

/// `count` consecutive prefixes from `first` on, all of one length.
struct Run {
    first: u64,
    count: u64,
}

impl Plan {
    /// How many different numbers the blocks hold.
    pub(super) fn capacity(&self) -> u64 {
        self.runs.iter().map(|run| run.count).sum::<u64>() * 10_u64.pow(self.free)
    }

    /// The `drawn`-th of them as an integer; `drawn` lies below [`Plan::capacity`].
    pub(super) fn national(&self, drawn: u64) -> u64 {
        let free = 10_u64.pow(self.free);
        let mut prefix = drawn / free;
        for run in self.runs {
            if prefix < run.count {
                return (run.first + prefix) * free + drawn % free;
            }
            prefix -= run.count;
        }
        0
    }
}

/// Writes the table one country a line.
macro_rules! plans {
    ($($region:literal +$code:literal trunk $trunk:literal abroad $abroad:literal
       weight $weight:literal digits $digits:literal free $free:literal
       $($first:literal x $count:literal),+;)+) => {
        &[$(Plan {
            region: $region, calling_code: $code, trunk: $trunk, abroad: $abroad,
            weight: $weight, digits: $digits, free: $free,
            runs: &[$(Run { first: $first, count: $count }),+],
        }),+]
    };
}

#[rustfmt::skip]
pub(super) const PLANS: &[Plan] = plans! {
    "IN" +91  trunk "0" abroad "00"   weight 220 digits 10 free 7 700 x 10, 720 x 9, 740 x 11, 771 x 17;
    "BR" +55  trunk "0" abroad ""     weight 90  digits 11 free 7 1196 x 4, 2196 x 4, 3196 x 4, 4196 x 4, 5196 x 4, 6196 x 4, 7196 x 4, 8196 x 4;
    "ID" +62  trunk "0" abroad ""     weight 80  digits 11 free 8 811 x 9, 821 x 3, 852 x 8;
    "US" +1   trunk "1" abroad "011"  weight 60  digits 10 free 6 2122 x 8, 3052 x 8, 3122 x 8, 4042 x 8, 4152 x 8, 5122 x 8, 6022 x 8, 6172 x 8, 7132 x 8, 7022 x 8, 8132 x 8, 9172 x 8;
    "MX" +52  trunk ""  abroad "00"   weight 55  digits 10 free 7 551 x 9, 331 x 9, 811 x 9, 442 x 8;
    "DE" +49  trunk "0" abroad "00"   weight 40  digits 11 free 8 151 x 2, 155 x 1, 157 x 1, 159 x 2;
    "PK" +92  trunk "0" abroad "00"   weight 40  digits 10 free 7 300 x 38;
    "NG" +234 trunk "0" abroad "009"  weight 40  digits 10 free 7 802 x 17, 901 x 16;
    "TR" +90  trunk "0" abroad "00"   weight 35  digits 10 free 7 530 x 30;
    "GB" +44  trunk "0" abroad "00"   weight 30  digits 10 free 7 740 x 5, 746 x 4, 753 x 7, 773 x 5, 784 x 7, 794 x 6;
    "RU" +7   trunk "8" abroad "810"  weight 30  digits 10 free 7 900 x 30, 931 x 60;
    "EG" +20  trunk "0" abroad "00"   weight 30  digits 10 free 7 100 x 30, 150 x 10;
    "ES" +34  trunk ""  abroad "00"   weight 25  digits 9  free 6 600 x 90;
    "IT" +39  trunk ""  abroad "00"   weight 25  digits 10 free 7 320 x 80;
    "AR" +54  trunk "0" abroad "00"   weight 25  digits 11 free 6 91120 x 50;
    "CO" +57  trunk ""  abroad ""     weight 25  digits 10 free 7 310 x 14;
    "FR" +33  trunk "0" abroad "00"   weight 20  digits 9  free 6 600 x 39, 640 x 50;
    "ZA" +27  trunk "0" abroad "00"   weight 20  digits 9  free 6 603 x 90;
    "BD" +880 trunk "0" abroad "00"   weight 20  digits 10 free 7 130 x 70;
    "MY" +60  trunk "0" abroad "00"   weight 15  digits 9  free 6 120 x 10, 132 x 8, 162 x 8, 172 x 8;
    "SA" +966 trunk "0" abroad "00"   weight 15  digits 9  free 6 530 x 49;
    "KE" +254 trunk "0" abroad "000"  weight 15  digits 9  free 6 700 x 95;
    "PH" +63  trunk "0" abroad "00"   weight 15  digits 10 free 7 920 x 20;
    "PE" +51  trunk "0" abroad ""     weight 12  digits 9  free 6 900 x 99;
    "NL" +31  trunk "0" abroad "00"   weight 10  digits 9  free 6 610 x 50, 680 x 10;
    "UA" +380 trunk "0" abroad "00"   weight 10  digits 9  free 6 630 x 10, 660 x 30, 910 x 30;
    "PL" +48  trunk ""  abroad "00"   weight 10  digits 9  free 6 500 x 20, 530 x 10, 600 x 10, 660 x 10, 690 x 10, 720 x 20;
    "CL" +56  trunk ""  abroad ""     weight 10  digits 9  free 6 937 x 32, 971 x 20;
    "MA" +212 trunk "0" abroad "00"   weight 10  digits 9  free 6 600 x 83;
    "GH" +233 trunk "0" abroad "00"   weight 10  digits 9  free 6 230 x 20, 260 x 30, 540 x 20;
    "CA" +1   trunk "1" abroad "011"  weight 8   digits 10 free 6 4162 x 8, 6042 x 8, 5142 x 8, 4032 x 8, 6132 x 8;
    "AU" +61  trunk "0" abroad "0011" weight 8   digits 9  free 6 400 x 41;
    "AE" +971 trunk "0" abroad "00"   weight 8   digits 9  free 6 500 x 10, 520 x 50;
    "PT" +351 trunk ""  abroad "00"   weight 6   digits 9  free 6 910 x 30, 960 x 10;
    "CH" +41  trunk "0" abroad "00"   weight 6   digits 9  free 6 750 x 50;
    "BE" +32  trunk "0" abroad "00"   weight 5   digits 9  free 6 455 x 45;
    "SE" +46  trunk "0" abroad "00"   weight 5   digits 9  free 6 700 x 10, 720 x 20, 760 x 10;
    "JP" +81  trunk "0" abroad "010"  weight 2   digits 10 free 7 701 x 9, 801 x 9, 901 x 9;
};
