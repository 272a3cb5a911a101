using TinyLora.Adapters;
using TinyLora.Inference;

namespace TinyLora.Tests.Laws;

/// <summary>Checksums of lantern's logits (Q8_0), recorded on one machine: every other, whatever its instruction set, must give the same bits.</summary>
internal static class LanternBits
{
    /// <summary>"What is LoRA?" in the model's template.</summary>
    public static readonly int[] Prompt = [1, 276, 201, 460, 286, 574, 33, 2, 201, 1, 277, 201];

    /// <summary>The names of adapters that are on together, and the checksum of the logits after every token of <see cref="Prompt"/>.</summary>
    public static readonly (string[] Adapters, ulong Checksum)[] Recorded =
    [
        ([], 0x419b895ff72797da),
        (["pirate"], 0xc9a8b43f7880775a),
        (["pirate", "grumpy"], 0x88b1077c2cf0b013),
    ];

    /// <summary>What differs from the recorded bits, by prefill and by decode; null if nothing does.</summary>
    /// <param name="model">lantern, Q8_0.</param>
    /// <param name="folder">Holds the adapters.</param>
    public static string? FirstDifference(Model model, string folder)
    {
        var logits = new float[Prompt.Length * model.Shape.VocabularySize];
        foreach (var (names, expected) in Recorded)
        {
            var adapters = Array.ConvertAll(names, name => new LoraAdapter(Path.Combine(folder, name)));
            using (var session = model.CreateSession(new SessionOptions { ContextLength = 64, ChunkLength = 7 }))
            {
                foreach (var adapter in adapters) session.Adapters.Add(adapter);
                session.Prefill(Prompt, logits);
                if (Bits.Hash(logits) is var prefill && prefill != expected) return $"{What(names)}, prefill: 0x{prefill:x16}, recorded 0x{expected:x16}";
                session.Rewind(0);
                var hash = Bits.Start;
                foreach (var token in Prompt) hash = Bits.Hash(session.Decode(token), hash);
                if (hash != expected) return $"{What(names)}, decode: 0x{hash:x16}, recorded 0x{expected:x16}";
            }
            foreach (var adapter in adapters) adapter.Dispose();
        }
        return null;
    }

    private static string What(string[] names) => names.Length == 0 ? "base" : string.Join('+', names);
}
