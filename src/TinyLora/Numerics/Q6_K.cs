namespace TinyLora.Numerics;

/// <summary>
/// x[i] = d · s[i / 16] · (q[i] - 32), 256 numbers in 210 bytes:
/// <code>
///   0  ql   byte[128]: bits 0 to 3
/// 128  qh   byte[64]: bits 4 and 5
/// 192  s    sbyte[16]
/// 208  d    half
/// </code>
/// Each half h of the block (128 numbers, 64 bytes of ql, 32 of qh) is four runs of 32: number 128h + 32r + k has its low bits in
/// byte 64h + 32(r mod 2) + k of ql, in the low nibble for r below 2, and its high bits in bits 2r and 2r + 1 of byte 32h + k of qh.
/// </summary>
internal static unsafe class Q6_K
{
    public const int Size = 256;
    public const int Bytes = 210;

    /// <param name="block">[Bytes]</param>
    /// <param name="values">[Size]</param>
    public static void Decode(byte* block, float* values)
    {
        var scale = Conversions.HalfAt(block + 208);
        var scales = (sbyte*)(block + 192);
        for (var run = 0; run < 8; run++)
        {
            var (half, r) = (run / 4, run % 4);
            var low = block + 64 * half + 32 * (r % 2);
            var high = block + 128 + 32 * half;
            for (var k = 0; k < 32; k++)
            {
                var number = low[k] >> r / 2 * 4 & 15 | (high[k] >> 2 * r & 3) << 4;
                values[32 * run + k] = scale * scales[2 * run + k / 16] * (number - 32);
            }
        }
    }
}
