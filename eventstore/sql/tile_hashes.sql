-- The hashes of some tiles of the Merkle tree, from left to right; of one that is not full yet, as many as there are.
SELECT
    wanted.level,
    wanted.index,
    CASE
        WHEN tiles.hashes IS NOT NULL THEN tiles.hashes
        WHEN wanted.level = 0 THEN (
            SELECT string_agg(leaves.hash, ''::bytea ORDER BY leaves.index)
            FROM leaves
            WHERE leaves.index >= wanted.index * 256 AND leaves.index < wanted.index * 256 + 256
        )
        ELSE (
            SELECT string_agg(below.root, ''::bytea ORDER BY below.index)
            FROM tiles AS below
            WHERE below.level = wanted.level - 1
                AND below.index >= wanted.index * 256 AND below.index < wanted.index * 256 + 256
        )
    END
FROM unnest(%(levels)s::integer[], %(indexes)s::bigint[]) AS wanted (level, index)
LEFT JOIN tiles ON tiles.level = wanted.level AND tiles.index = wanted.index
