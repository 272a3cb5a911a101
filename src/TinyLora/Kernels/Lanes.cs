using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace TinyLora.Kernels;

/// <summary>The one tree in which eight lanes are summed: ((0+4)+(2+6)) + ((1+5)+(3+7)).</summary>
internal static class Lanes
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> lanes)
    {
        var four = lanes.GetLower() + lanes.GetUpper();
        var two = four + Vector128.Shuffle(four, Vector128.Create(2, 3, 2, 3));
        return two.ToScalar() + two.GetElement(1);
    }
}
