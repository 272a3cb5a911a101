using System.Globalization;
using TinyLora.Generators.Diagnostics;

namespace TinyLora.Generators.Parsing;

/// <summary>The ranks of adapters that kernels are generated for.</summary>
internal static class RankList
{
    public const int Maximum = 256;

    /// <summary>The ranks in ascending order; those that are out of range or repeated are added to the flaws.</summary>
    /// <param name="owner">As in <c>of 'Lantern'</c>.</param>
    public static int[] Check(IEnumerable<int> ranks, string owner, List<Flaw> flaws)
    {
        var valid = new SortedSet<int>();
        foreach (var rank in ranks)
        {
            var text = rank.ToString(CultureInfo.InvariantCulture);
            if (rank is < 1 or > Maximum) flaws.Add(Flaw.Of(Descriptors.RankOutOfRange, text, owner));
            else if (!valid.Add(rank)) flaws.Add(Flaw.Of(Descriptors.RankRepeated, text, owner));
        }

        return [.. valid];
    }
}
