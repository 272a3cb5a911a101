using System.Globalization;

namespace TinyLora.PeerBench;

/// <summary>Writes a comparison as Markdown tables: one of the machine, one of the engines.</summary>
internal static class MarkdownResult
{
    public static void Write(TextWriter writer, Comparison comparison)
    {
        var machine = comparison.Machine;
        var first = comparison.Settings[0];
        writer.WriteLine("# TinyLora beside llama.cpp");
        writer.WriteLine();
        writer.WriteLine($"{machine.Processor}, {Environment.ProcessorCount} processors. Medians of {comparison.RoundCount} rounds, the engines in turn, each in a process of its own.");
        writer.WriteLine($"{Engine(first.Peer)}; {Engine(first.Own)}. Others used {Number(100 * machine.OthersShare)} % of the processors meanwhile.");
        writer.WriteLine($"The adapter: random float16 values of rank {comparison.Rank} on all seven projections. Ratio: how many times as fast as llama.cpp,");
        writer.WriteLine("median of the rounds' ratios; of memory: how many times less. Memory is the growth of the process over all tests.");
        writer.WriteLine("GB/s: bytes of the model's file times tokens a second, and their share of the memory read (a small model's weights stay in the cache).");
        writer.WriteLine();
        writer.WriteLine("| the machine, same minutes | " + string.Join(" | ", comparison.ThreadCounts.Select(Threads)) + " |");
        writer.WriteLine("|---|" + string.Concat(comparison.ThreadCounts.Select(_ => "---:|")));
        foreach (var limit in machine.Limits.GroupBy(limit => limit.What))
            writer.WriteLine($"| {limit.Key} | {string.Join(" | ", limit.Select(one => Number(one.Median)))} |");
        writer.WriteLine();
        writer.WriteLine("| model | adapter | threads | test | unit | llama.cpp | TinyLora | ratio | llama.cpp GB/s | TinyLora GB/s |");
        writer.WriteLine("|---|---|---:|---|---|---:|---:|---:|---:|---:|");
        foreach (var setting in comparison.Settings)
        {
            foreach (var test in setting.Tests)
                WriteTest(writer, setting, test, machine.ReadBandwidth(setting.ThreadCount));
            double peer = Setting.MemoryBytes(setting.Peer) / 1e6, own = Setting.MemoryBytes(setting.Own) / 1e6;
            WriteRow(writer, setting, "memory", "MB", peer, own, peer / own);
        }
        WriteAdapterSets(writer, comparison);
    }

    // Rows of ours alone, and llama.cpp's with the same adapter and without.
    private static void WriteAdapterSets(TextWriter writer, Comparison comparison)
    {
        var decode = $"decode{comparison.GenerateLength}";
        var measured = comparison.Settings.Where(setting => setting.AdapterRank > 0 && setting.Own.Count > 0 && setting.Own.All(report => report.Tests.ContainsKey(decode + "-off"))).ToArray();
        if (measured.Length == 0)
            return;
        writer.WriteLine();
        writer.WriteLine("Sets of adapters, each adapter with memory of its own. Cost: what an adapter adds to a token, in multiples of the time that reading its bytes takes at the");
        writer.WriteLine("memory's bandwidth. Switch: another adapter at each token, the cache kept. Batch: eight sequences with an adapter each in one pass, beside the same eight one after another.");
        writer.WriteLine();
        writer.WriteLine("| model | threads | adapters | TinyLora tok/s | cost | bytes allocated | llama.cpp tok/s |");
        writer.WriteLine("|---|---:|---|---:|---:|---:|---:|");
        foreach (var setting in measured)
        {
            var bare = comparison.Settings.Single(other => other.ModelPath == setting.ModelPath && other.ThreadCount == setting.ThreadCount && other.AdapterRank == 0);
            double bandwidth = comparison.Machine.ReadBandwidth(setting.ThreadCount);
            Row("off", "off", 0, bare);
            Row("on", "one", 1, setting);
            Row("two", "two", 2, null);
            Row("switch", "switch", 1, null);
            Row("alone8", "eight sequences, one after another", 1, null);
            Row("batch8", "eight sequences together", 0, null);

            void Row(string test, string name, int adapters, Setting? peer)
            {
                var key = $"{decode}-{test}";
                double own = Setting.Seconds(setting.Own, key);
                var first = setting.Own[0].Tests[key];
                var cost = adapters == 0 ? "" : Number(setting.AdapterCost(decode + "-off", key, adapters, bandwidth), "0.00");
                var peerRate = peer == null ? "" : Number(comparison.GenerateLength / Setting.Seconds(peer.Peer, decode));
                writer.WriteLine($"| {setting.ModelName} | {setting.ThreadCount} | {name} | {Number(first.TokenCount / own)} | {cost} | {setting.Own.Max(report => report.Tests[key].AllocatedBytes) ?? 0} | {peerRate} |");
            }
        }
    }

    private static void WriteTest(TextWriter writer, Setting setting, string test, double readBandwidth)
    {
        double peer = Setting.Seconds(setting.Peer, test), own = Setting.Seconds(setting.Own, test);
        if (test == "first-token")
        {
            WriteRow(writer, setting, test, "ms", 1000 * peer, 1000 * own, setting.Ratio(test));
            return;
        }
        int tokens = setting.Peer[0].Tests[test].TokenCount;
        bool decodes = test.StartsWith("decode", StringComparison.Ordinal);
        WriteRow(writer, setting, test, "tok/s", tokens / peer, tokens / own, setting.Ratio(test), decodes ? $"{Rate(peer)} | {Rate(own)}" : " | ");

        string Rate(double seconds)
        {
            double rate = setting.ModelBytes * tokens / seconds / 1e9;
            return double.IsNaN(rate) ? "–" : $"{Number(rate)} ({Number(100 * rate / readBandwidth, "0")} %)";
        }
    }

    private static void WriteRow(TextWriter writer, Setting setting, string test, string unit, double peer, double own, double ratio, string rates = " | ") =>
        writer.WriteLine($"| {setting.ModelName} | {setting.AdapterName} | {setting.ThreadCount} | {test} | {unit} | {Number(peer)} | {Number(own)} | {Number(ratio, "0.00")} | {rates} |");

    private static string Engine(List<EngineReport> rounds) => rounds.Count == 0 ? "TinyLora was not measured" : $"{rounds[0].Engine}, {rounds[0].Kernels} kernels";

    private static string Threads(int count) => count == 1 ? "1 thread" : string.Create(CultureInfo.InvariantCulture, $"{count} threads");

    private static string Number(double value, string? format = null) =>
        double.IsNaN(value) ? "–" : value.ToString(format ?? (value < 100 ? "0.0" : "#,0"), CultureInfo.InvariantCulture);
}
