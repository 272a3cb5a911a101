using TinyLora.Generators.Diagnostics;
using TinyLora.Generators.Specs;

namespace TinyLora.Generators.Parsing;

/// <summary>Reads a manifest (format 1) and checks every field of it.</summary>
internal sealed class ManifestParser
{
    private const int Format = 1;

    // Far above any model, and small enough that the product of two is no surprise in 64 bits.
    private const int MaxSize = 1 << 24;
    private const int MaxLayerCount = 4096;

    private static readonly string[] Architectures = ["llama", "qwen2", "qwen3"];

    private readonly string _name;
    private readonly List<Flaw> _flaws = [];

    private ManifestParser(string name) => _name = name;

    /// <param name="path">Of the additional file.</param>
    /// <param name="text">What it holds; null where it cannot be read as text.</param>
    public static Manifest Parse(string path, string? text)
    {
        var parser = new ManifestParser(Path.GetFileName(path));
        var spec = parser.Read(text);
        return new Manifest(parser._name, parser._flaws.Count == 0 ? spec : null, parser._flaws.ToArray());
    }

    private ManifestSpec? Read(string? text)
    {
        object? root;
        try
        {
            root = Json.Parse(text ?? "");
        }
        catch (FormatException error)
        {
            Invalid("JSON", error.Message);
            return null;
        }

        if (root is not Dictionary<string, object?> members)
        {
            Invalid("JSON", "an object is expected");
            return null;
        }

        var fields = new JsonFields(members, "", Invalid);
        if (fields.Integer("format", Format, Format) != Format || _flaws.Count > 0) return null;
        var model = fields.String("model");
        var shape = ReadShape(fields);
        var formats = ReadFormats(fields.Fields("tensors"), shape);
        var ranks = RankList.Check(fields.Integers("ranks"), $"of manifest '{_name}'", _flaws);
        fields.NoOthers();
        return new ManifestSpec(model, shape, formats, ranks);
    }

    private ShapeSpec ReadShape(JsonFields fields)
    {
        var shape = new ShapeSpec
        {
            Architecture = fields.String("architecture"),
            HiddenSize = fields.Integer("hiddenSize", 1, MaxSize),
            IntermediateSize = fields.Integer("intermediateSize", 1, MaxSize),
            LayerCount = fields.Integer("layerCount", 1, MaxLayerCount),
            HeadCount = fields.Integer("headCount", 1, MaxSize),
            KeyValueHeadCount = fields.Integer("keyValueHeadCount", 1, MaxSize),
            HeadSize = fields.Integer("headSize", 2, MaxSize),
            VocabularySize = fields.Integer("vocabularySize", 1, MaxSize),
            ContextLength = fields.Integer("contextLength", 1, int.MaxValue),
            RmsNormEpsilon = (float)fields.Positive("rmsNormEpsilon"),
            RopeTheta = fields.Positive("ropeTheta"),
            RotaryLayout = fields.String("rotaryLayout") switch
            {
                "interleaved" => RotaryLayout.Interleaved,
                "halves" => RotaryLayout.Halves,
                var other => Invalid("rotaryLayout", $"'{other}' is neither interleaved nor halves", RotaryLayout.Halves),
            },
            SlidingWindow = fields.Integer("slidingWindow", 0, int.MaxValue),
            SlidingWindowFirstLayer = fields.Integer("slidingWindowFirstLayer", 0, MaxLayerCount),
            TiedEmbedding = fields.Boolean("tiedEmbedding"),
            HasQueryKeyNorm = fields.Boolean("queryKeyNorm"),
        };
        if (shape.Architecture.Length > 0 && !Architectures.Contains(shape.Architecture))
        {
            _flaws.Add(Flaw.Of(Descriptors.ArchitectureUnsupported, _name, shape.Architecture, string.Join(", ", Architectures)));
        }

        if (_flaws.Count > 0) return shape;
        if (shape.HeadSize % 2 != 0) Invalid("headSize", $"{shape.HeadSize} is odd, but a rotation pairs its channels");
        if (shape.HeadCount % shape.KeyValueHeadCount != 0) Invalid("keyValueHeadCount", $"{shape.HeadCount} heads are no multiple of {shape.KeyValueHeadCount}");
        if ((long)shape.HeadCount * shape.HeadSize > MaxSize) Invalid("headSize", $"{shape.HeadCount} heads of {shape.HeadSize} are more than {MaxSize}");
        return shape;
    }

    private FormatsSpec ReadFormats(JsonFields fields, ShapeSpec shape)
    {
        var embedding = ReadFormat(fields, "embedding", shape.HiddenSize);
        var head = ReadFormat(fields, "head", shape.HiddenSize);
        var layers = new List<LayerFormatsSpec>();
        foreach (var layer in fields.FieldsList("layers"))
        {
            // So many layers that follow each other and are alike.
            var count = layer.Integer("count", 1, MaxLayerCount);
            var formats = new LayerFormatsSpec(
                ReadFormat(layer, "query", shape.Columns(LinearRole.Query)),
                ReadFormat(layer, "key", shape.Columns(LinearRole.Key)),
                ReadFormat(layer, "value", shape.Columns(LinearRole.Value)),
                ReadFormat(layer, "output", shape.Columns(LinearRole.Output)),
                ReadFormat(layer, "gate", shape.Columns(LinearRole.Gate)),
                ReadFormat(layer, "up", shape.Columns(LinearRole.Up)),
                ReadFormat(layer, "down", shape.Columns(LinearRole.Down)));
            layer.NoOthers();
            if (layers.Count + count > MaxLayerCount) Invalid(layer.PathOf("count"), $"more than {MaxLayerCount} layers are listed");
            else layers.AddRange(Enumerable.Repeat(formats, count));
        }

        fields.NoOthers();
        if (_flaws.Count == 0 && layers.Count != shape.LayerCount) Invalid("tensors.layers", $"{layers.Count} layers are listed, layerCount is {shape.LayerCount}");
        if (_flaws.Count == 0 && shape.TiedEmbedding && head != embedding) Invalid("tensors.head", $"{head} is not the format of the embedding that it is tied to, {embedding}");
        return new FormatsSpec(embedding, head, layers.ToArray());
    }

    private WeightFormat ReadFormat(JsonFields fields, string name, int columns)
    {
        var text = fields.String(name);
        if (WeightFormats.TryParse(text, out var format))
        {
            if (_flaws.Count == 0 && columns % format.BlockSize() != 0) Invalid(fields.PathOf(name), $"{columns} columns are no whole number of blocks of {format}, which hold {format.BlockSize()}");
        }
        else if (text.Length > 0)
        {
            _flaws.Add(Flaw.Of(Descriptors.FormatUnsupported, _name, fields.PathOf(name), text, string.Join(", ", Enum.GetNames(typeof(WeightFormat)))));
        }

        return format;
    }

    private void Invalid(string field, string what) => _flaws.Add(Flaw.Of(Descriptors.ManifestInvalid, _name, field, what));

    private T Invalid<T>(string field, string what, T value)
    {
        Invalid(field, what);
        return value;
    }
}
