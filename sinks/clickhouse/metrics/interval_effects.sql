-- The design effect of each metric's answers: by how much their mean varies more than if each were of another person. Arrays
-- with a place for each of `interval_names`. `people`: a query with the columns of `answers_of_people`, in groups.
-- The variance is that of a ratio over people (Cochran 1977, 6.13), with Kish's effective number of people (1965) in the place of
-- theirs: where a few give most answers, there are fewer. One step a SELECT: an expression that is named in another would be
-- copied into it. `share_intervals`: the file.
WITH
{share_intervals},
-- The quantile .975 of Student's t by Abramowitz and Stegun 26.7.5, to three digits from three degrees of freedom on.
degrees -> z + (pow(z, 3) + z) / (4 * degrees) + (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96 * pow(degrees, 2))
    + (3 * pow(z, 7) + 19 * pow(z, 5) + 17 * pow(z, 3) - 15 * z) / (384 * pow(degrees, 3))
    + (79 * pow(z, 9) + 776 * pow(z, 7) + 1482 * pow(z, 5) - 1920 * pow(z, 3) - 945 * z) / (92160 * pow(degrees, 4)) AS t_quantile
SELECT
    * EXCEPT (ratio_squares, people_squares),
    -- Everybody answered once: exactly 1. All answers alike: as if each person had only one.
    arrayMap((n, kk, squares, of_people, effective) -> multiIf(
            n = kk, 1.,
            squares <= 1e-12 * n OR effective <= 1, kk / n,
            greatest(1., effective / (effective - 1) * of_people * (n - 1) / n / squares)),
        n_, kk_, ratio_squares, people_squares, effective_people) AS deffs_,
    arrayMap((n, squares) -> if(n < 2, 0., squares / (n - 1)), n_, ratio_squares) AS variances_,
    arrayMap((n, kk, effective) -> if(n = kk, z, t_quantile(greatest(1., effective - 1))), n_, kk_, effective_people) AS ts_
FROM
(
    SELECT
        *,
        arrayMap((n, s, q) -> if(n = 0, 0., greatest(0., q - s * s / n)), n_, s_, q_) AS ratio_squares,
        arrayMap((mean, kk, sk, ss) -> greatest(0., ss - 2 * mean * sk + mean * mean * kk), means_, kk_, sk_, ss_) AS people_squares,
        arrayMap((n, kk) -> if(kk = 0, 0., n * n / kk), n_, kk_) AS effective_people
    FROM
    (
        SELECT *, arrayMap((n, s) -> if(n = 0, 0., s / n), n_, s_) AS means_
        FROM
        (
            SELECT *, {interval_moments}
            FROM (SELECT *, {quantile_below} FROM (SELECT *, {quantile_values} FROM (SELECT *, {quantile_people} FROM ({people}))))
        )
    )
)
