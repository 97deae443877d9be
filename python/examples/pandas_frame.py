"""pandas: a column in, columns joined to the frame by way of pyarrow.

    python pandas_frame.py

Prints:

    +12025550123 FIXED_LINE_OR_MOBILE
    <NA> scientific
    +442079460000 FIXED_LINE
"""

import pandas as pd
import phonematch
import pyarrow as pa

leads = pd.DataFrame(
    {"phone": ["(202) 555-0123", "4.47911E+11", "020 7946 0000"], "country": ["US", "GB", "GB"]}
)

numbers = phonematch.normalise(leads["phone"], leads["country"])
numbers = pa.table(numbers).to_pandas(types_mapper=pd.ArrowDtype)
leads = leads.join(numbers)
for row in leads.itertuples():
    print(row.e164, row.reason if pd.isna(row.e164) else row.type)
