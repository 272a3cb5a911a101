using System.Diagnostics.CodeAnalysis;

namespace TinyLora.Weights;

/// <summary>Tells whether a model is the one that an adapter was made for: a SHA-256 (FIPS 180-4) of what <see cref="Kind"/> says.</summary>
/// <remarks>As text: <c>norms-sha256:</c> or <c>weights-sha256:</c> and 64 hexadecimal digits.</remarks>
public sealed record ModelHash
{
    /// <summary>Under this name adapter files hold it: in the metadata of safetensors, as a key of GGUF.</summary>
    internal const string Key = "tinylora.base_hash";

    private const string NormsPrefix = "norms-sha256:", WeightsPrefix = "weights-sha256:";

    internal ModelHash(ModelHashKind kind, ReadOnlySpan<byte> digest)
    {
        Kind = kind;
        Digest = Convert.ToHexStringLower(digest);
    }

    /// <summary>What it is made from.</summary>
    public ModelHashKind Kind { get; }

    /// <summary>64 hexadecimal digits, small letters.</summary>
    public string Digest { get; }

    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out ModelHash? hash)
    {
        hash = null;
        var kind = text != null && text.StartsWith(WeightsPrefix, StringComparison.Ordinal) ? ModelHashKind.Weights : ModelHashKind.Norms;
        var prefix = Prefix(kind);
        Span<byte> digest = stackalloc byte[Sha256.DigestBytes];
        if (text == null || text.Length != prefix.Length + 2 * digest.Length || !text.StartsWith(prefix, StringComparison.Ordinal)) return false;
        if (Convert.FromHexString(text.AsSpan(prefix.Length), digest, out _, out _) != System.Buffers.OperationStatus.Done) return false;
        hash = new ModelHash(kind, digest);
        return true;
    }

    /// <summary>The kind and the digits.</summary>
    public override string ToString() => Prefix(Kind) + Digest;

    /// <summary>The hash of an open model.</summary>
    internal static unsafe ModelHash Of(ModelWeights weights, ModelHashKind kind)
    {
        var sha = new Sha256();
        if (kind == ModelHashKind.Norms) AppendNorms(sha, weights);
        else AppendTensors(sha, weights);
        Span<byte> digest = stackalloc byte[Sha256.DigestBytes];
        sha.Finish(digest);
        return new ModelHash(kind, digest);
    }

    /// <summary>FinalNorm, then by layer AttentionNorm, MlpNorm and, where there are such, QueryNorm, KeyNorm; each in float32.</summary>
    private static unsafe void AppendNorms(Sha256 sha, ModelWeights weights)
    {
        Append(sha, weights.Shape.LayerCount);
        AppendNorm(sha, weights.FinalNorm, weights.Shape.HiddenSize);
        foreach (var layer in weights.Layers)
        {
            AppendNorm(sha, layer.AttentionNorm, weights.Shape.HiddenSize);
            AppendNorm(sha, layer.MlpNorm, weights.Shape.HiddenSize);
            if (layer.QueryNorm != null) AppendNorm(sha, layer.QueryNorm, weights.Shape.HeadSize);
            if (layer.KeyNorm != null) AppendNorm(sha, layer.KeyNorm, weights.Shape.HeadSize);
        }
    }

    private static unsafe void AppendNorm(Sha256 sha, float* norm, int size)
    {
        Append(sha, size);
        sha.Append(new ReadOnlySpan<byte>(norm, checked(size * sizeof(float))));
    }

    /// <summary>In the order of the names, which two files of the same weights may not share.</summary>
    private static unsafe void AppendTensors(Sha256 sha, ModelWeights weights)
    {
        var tensors = weights.Tensors.ToArray();
        Array.Sort(tensors, (left, right) => string.CompareOrdinal(left.Name, right.Name));
        foreach (var tensor in tensors)
        {
            Append(sha, tensor.Name);
            Append(sha, tensor.TypeName);
            Append(sha, tensor.Shape.Count);
            foreach (var size in tensor.Shape) Append(sha, size);
            for (var at = 0L; at < tensor.ByteCount;)
            {
                var count = (int)Math.Min(tensor.ByteCount - at, 1 << 30);
                sha.Append(new ReadOnlySpan<byte>(tensor.Data + at, count));
                at += count;
            }
        }
    }

    private static void Append(Sha256 sha, long number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        sha.Append(bytes);
    }

    private static void Append(Sha256 sha, string text)
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(text);
        Append(sha, bytes.Length);
        sha.Append(bytes);
    }

    private static string Prefix(ModelHashKind kind) => kind == ModelHashKind.Norms ? NormsPrefix : WeightsPrefix;
}
