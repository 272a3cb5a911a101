using System.Runtime.CompilerServices;
using TinyLora.Numerics;

namespace TinyLora.Kernels;

/// <summary>Reads one block of 32 weights of a quantised row as integers: w = Scale · q + Minimum. The plain form that vector kernels are compared with.</summary>
internal unsafe struct BlockReader
{
    /// <summary>The integers; for Q6_K already multiplied by the half block's own small scale.</summary>
    public fixed int Values[32];
    public float Scale;
    public float Minimum;

    /// <summary>A half's value by its bits, exact for every finite one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Half(byte* p) => BitConverter.Int32BitsToSingle((*(short*)p << 13) & unchecked((int)0x8FFFE000)) * 5.192296858534828e33f;

    /// <summary>Reads block <paramref name="index"/> of the row.</summary>
    public void Read(ElementType type, byte* row, int index)
    {
        Minimum = 0;
        switch (type)
        {
            case ElementType.Q8_0:
                ReadQ8_0(row + 34 * (nint)index);
                break;
            case ElementType.Q4_0:
                row += 18 * (nint)index;
                Scale = Half(row);
                ReadNibbles(row + 2, 0, -8);
                break;
            case ElementType.Q4_1:
                row += 20 * (nint)index;
                (Scale, Minimum) = (Half(row), Half(row + 2));
                ReadNibbles(row + 4, 0, 0);
                break;
            case ElementType.Q5_0:
                row += 22 * (nint)index;
                Scale = Half(row);
                ReadNibbles(row + 6, *(uint*)(row + 2), -16);
                break;
            case ElementType.Q5_1:
                row += 24 * (nint)index;
                (Scale, Minimum) = (Half(row), Half(row + 2));
                ReadNibbles(row + 8, *(uint*)(row + 4), 0);
                break;
            case ElementType.Q4_K:
                ReadQ4_K(row + 144 * (nint)(index / 8), index % 8);
                break;
            case ElementType.Q5_K:
                ReadQ5_K(row + 176 * (nint)(index / 8), index % 8);
                break;
            case ElementType.Q6_K:
                ReadQ6_K(row + 210 * (nint)(index / 8), index % 8);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "This type has no integer blocks.");
        }
    }

    private void ReadQ8_0(byte* block)
    {
        Scale = Half(block);
        for (var i = 0; i < 32; i++) Values[i] = (sbyte)block[2 + i];
    }

    private void ReadNibbles(byte* nibbles, uint high, int offset)
    {
        for (var i = 0; i < 16; i++)
        {
            Values[i] = (nibbles[i] & 15) + (int)((high >> i & 1) << 4) + offset;
            Values[i + 16] = (nibbles[i] >> 4) + (int)((high >> (i + 16) & 1) << 4) + offset;
        }
    }

    private void ReadQ4_K(byte* block, int sub)
    {
        ReadSixBitScales(block, sub);
        var bytes = block + 16 + 32 * (sub / 2);
        for (var i = 0; i < 32; i++) Values[i] = bytes[i] >> (4 * (sub & 1)) & 15;
    }

    private void ReadQ5_K(byte* block, int sub)
    {
        ReadSixBitScales(block, sub);
        var bytes = block + 48 + 32 * (sub / 2);
        for (var i = 0; i < 32; i++) Values[i] = (bytes[i] >> (4 * (sub & 1)) & 15) + ((block[16 + i] >> sub & 1) << 4);
    }

    private void ReadQ6_K(byte* block, int sub)
    {
        Scale = Half(block + 208);
        var low = block + 64 * (sub / 4) + 32 * (sub & 1);
        var high = block + 128 + 32 * (sub / 4);
        for (var i = 0; i < 32; i++)
        {
            var q = (low[i] >> (sub & 2) * 2 & 15) | ((high[i] >> 2 * (sub & 3) & 3) << 4);
            Values[i] = (q - 32) * (sbyte)block[192 + 2 * sub + i / 16];
        }
    }

    private void ReadSixBitScales(byte* block, int sub)
    {
        var packed = block + 4;
        int scale, minimum;
        if (sub < 4)
        {
            scale = packed[sub] & 63;
            minimum = packed[sub + 4] & 63;
        }
        else
        {
            scale = (packed[sub + 4] & 15) | (packed[sub - 4] >> 6 << 4);
            minimum = (packed[sub + 4] >> 4) | (packed[sub] >> 6 << 4);
        }
        Scale = Half(block) * scale;
        Minimum = -(Half(block + 2) * minimum);
    }
}
