using TinyLora.Numerics;

namespace TinyLora.Files;

/// <summary>An element type of the safetensors format.</summary>
internal readonly record struct SafetensorsType(string Name, ElementType? Type, int Bits)
{
    /// <summary>The type of this name, or false.</summary>
    public static bool TryGet(string name, out SafetensorsType type)
    {
        type = name switch
        {
            "F32" => new(name, ElementType.F32, 32),
            "F16" => new(name, ElementType.F16, 16),
            "BF16" => new(name, ElementType.BF16, 16),
            "F4" => new(name, null, 4),
            "F6_E2M3" or "F6_E3M2" => new(name, null, 6),
            "BOOL" or "U8" or "I8" or "F8_E5M2" or "F8_E4M3" or "F8_E8M0" or "F8_E4M3FNUZ" or "F8_E5M2FNUZ" => new(name, null, 8),
            "I16" or "U16" => new(name, null, 16),
            "I32" or "U32" => new(name, null, 32),
            "I64" or "U64" or "F64" or "C64" => new(name, null, 64),
            _ => default,
        };
        return type.Bits != 0;
    }
}
