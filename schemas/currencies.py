"""The currencies of ISO 4217, and how many decimals each has. Data.

Source: ISO 4217, lists one (in use) and three (withdrawn; an event may be of 1998), as the JDK 17 has them
(`java.util.Currency`), with UYW. Codes without a minor unit are left out: metals, special drawing rights, tests (XTS)
and "no currency" (XXX) can't be amounts in minor units.
"""

from types import MappingProxyType
from typing import Final

_BY_EXPONENT: Final = {
    0: (
        "ADP BEF BIF BYB BYR CLP DJF ESP GNF GRD ISK ITL JPY KMF KRW LUF MGF PTE PYG ROL RWF TPE TRL UGX UYI "
        "VND VUV XAF XOF XPF"
    ),
    2: (
        "AED AFA AFN ALL AMD ANG AOA ARS ATS AUD AWG AYM AZM AZN BAM BBD BDT BGL BGN BMD BND BOB BOV BRL BSD "
        "BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CSD CUC CUP CVE CYP CZK DEM DKK DOP DZD EEK EGP "
        "ERN ETB EUR FIM FJD FKP FRF GBP GEL GHC GHS GIP GMD GTQ GWP GYD HKD HNL HRK HTG HUF IDR IEP ILS INR "
        "IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL LTL LVL MAD MDL MGA MKD MMK MNT MOP MRO MRU MTL "
        "MUR MVR MWK MXN MXV MYR MZM MZN NAD NGN NIO NLG NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB "
        "RUR SAR SBD SCR SDD SDG SEK SGD SHP SIT SKK SLE SLL SOS SRD SRG SSP STD STN SVC SYP SZL THB TJS TMM "
        "TMT TOP TRY TTD TWD TZS UAH USD USN USS UYU UZS VEB VED VEF VES WST XCD XCG YER YUM ZAR ZMK ZMW ZWD "
        "ZWG ZWL ZWN ZWR"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

EXPONENTS: Final = MappingProxyType(
    {code: exponent for exponent, codes in _BY_EXPONENT.items() for code in codes.split()}
)
"""Code to decimals: a major unit is 10 to the power of it minor units. JPY 0, EUR 2, KWD 3."""
