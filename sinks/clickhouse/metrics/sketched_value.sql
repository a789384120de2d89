-- The value that stands for a bucket of a DDSketch (Masson, Rim, Lee 2019), as a function. Part of a WITH.
bucket -> if(bucket < 0, 0, 2 * pow(1.01 / 0.99, bucket) / (1.01 / 0.99 + 1)) AS sketched
