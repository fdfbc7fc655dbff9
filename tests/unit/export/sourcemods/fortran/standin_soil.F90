! Stand-ins for the types that CTSM's soil code reads and fills. Names are CTSM's; see standin_base.F90.
module CNSharedParamsMod
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   type :: CNParamsShareType
      real(r8) :: Q10, froz_q10, decomp_depth_efolding, mino2lim, minpsi, maxpsi, rf_cwdl2, cwd_flig, tau_cwd
   end type CNParamsShareType
   type(CNParamsShareType) :: CNParamsShareInst
   logical :: anoxia_wtsat = .false.
   integer :: nlev_soildecomp_standard = 5
end module CNSharedParamsMod

module SoilBiogeochemDecompCascadeConType
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   type :: decomp_cascade_type
      character(len=8), pointer :: cascade_step_name(:), decomp_pool_name_restart(:), decomp_pool_name_history(:)
      character(len=8), pointer :: decomp_pool_name_short(:)
      character(len=20), pointer :: decomp_pool_name_long(:)
      integer, pointer :: cascade_donor_pool(:), cascade_receiver_pool(:)
      logical, pointer :: floating_cn_ratio_decomp_pools(:), is_litter(:), is_soil(:), is_cwd(:)
      logical, pointer :: is_metabolic(:), is_cellulose(:), is_lignin(:)
      real(r8), pointer :: initial_cn_ratio(:), initial_stock(:), spinup_factor(:)
      real(r8) :: initial_stock_soildepth
   end type decomp_cascade_type
   type(decomp_cascade_type) :: decomp_cascade_con
   logical :: use_soil_matrixcn = .false.
contains
   subroutine InitSoilTransfer()
   end subroutine InitSoilTransfer
   subroutine allocate_cascade(pools, steps)
      integer, intent(in) :: pools, steps
      associate (con => decomp_cascade_con)
         allocate (con%cascade_step_name(steps), con%cascade_donor_pool(steps), con%cascade_receiver_pool(steps))
         allocate (con%decomp_pool_name_restart(0:pools), con%decomp_pool_name_history(0:pools))
         allocate (con%decomp_pool_name_short(0:pools), con%decomp_pool_name_long(0:pools))
         allocate (con%floating_cn_ratio_decomp_pools(0:pools), con%is_litter(0:pools), con%is_soil(0:pools))
         allocate (con%is_cwd(0:pools), con%is_metabolic(0:pools), con%is_cellulose(0:pools), con%is_lignin(0:pools))
         allocate (con%initial_cn_ratio(0:pools), con%initial_stock(0:pools), con%spinup_factor(0:pools))
      end associate
   end subroutine allocate_cascade
end module SoilBiogeochemDecompCascadeConType

module SoilBiogeochemStateType
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   type :: soilbiogeochem_state_type
      real(r8), pointer :: rf_decomp_cascade_col(:, :, :), pathfrac_decomp_cascade_col(:, :, :)
      real(r8), pointer :: som_adv_coef_col(:, :), som_diffus_coef_col(:, :), nfixation_prof_col(:, :), ndep_prof_col(:, :)
      real(r8), pointer :: leaf_prof_patch(:, :), froot_prof_patch(:, :), croot_prof_patch(:, :), stem_prof_patch(:, :)
   end type soilbiogeochem_state_type
contains
   real(r8) function get_spinup_latitude_term(latitude)
      real(r8), intent(in) :: latitude
      get_spinup_latitude_term = 1.0_r8 + 50.0_r8/(1.0_r8 + exp(-0.15_r8*(abs(latitude) - 60.0_r8)))
   end function get_spinup_latitude_term
end module SoilBiogeochemStateType

module SoilBiogeochemCarbonFluxType
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   type :: diagonal_matrix
      real(r8), pointer :: DM(:, :)
   end type diagonal_matrix
   type :: input_vector
      real(r8), pointer :: V(:, :)
   end type input_vector
   type :: soilbiogeochem_carbonflux_type
      real(r8), pointer :: t_scalar_col(:, :), w_scalar_col(:, :), o_scalar_col(:, :), decomp_k_col(:, :, :)
      real(r8), pointer :: rf_decomp_cascade_col(:, :, :), pathfrac_decomp_cascade_col(:, :, :), tri_ma_vr(:, :)
      real(r8), pointer :: decomp_cpools_sourcesink_col(:, :, :), decomp_cpools_transport_tendency_col(:, :, :)
      type(diagonal_matrix) :: Ksoil
      type(input_vector) :: matrix_Cinput
   end type soilbiogeochem_carbonflux_type
end module SoilBiogeochemCarbonFluxType

module SoilBiogeochemCarbonStateType
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   type :: soilbiogeochem_carbonstate_type
      real(r8), pointer :: decomp_cpools_vr_col(:, :, :)
   end type soilbiogeochem_carbonstate_type
end module SoilBiogeochemCarbonStateType

module SoilBiogeochemNitrogenFluxType
   use shr_kind_mod, only: r8 => shr_kind_r8
   use SoilBiogeochemCarbonFluxType, only: input_vector
   implicit none
   type :: soilbiogeochem_nitrogenflux_type
      real(r8), pointer :: decomp_npools_sourcesink_col(:, :, :), decomp_npools_transport_tendency_col(:, :, :)
      type(input_vector) :: matrix_Ninput
   end type soilbiogeochem_nitrogenflux_type
end module SoilBiogeochemNitrogenFluxType

module SoilBiogeochemNitrogenStateType
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   type :: soilbiogeochem_nitrogenstate_type
      real(r8), pointer :: decomp_npools_vr_col(:, :, :)
   end type soilbiogeochem_nitrogenstate_type
end module SoilBiogeochemNitrogenStateType

module SoilStateType
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   type :: soilstate_type
      real(r8), pointer :: cellsand_col(:, :), soilpsi_col(:, :), crootfr_patch(:, :)
   end type soilstate_type
end module SoilStateType

module CanopyStateType
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   type :: canopystate_type
      integer, pointer :: alt_indx_col(:), altmax_lastyear_indx_col(:)
      real(r8), pointer :: altmax_col(:), altmax_lastyear_col(:)
   end type canopystate_type
end module CanopyStateType

module ActiveLayerMod
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   type :: active_layer_type
      integer, pointer :: altmax_lastyear_indx_col(:)
      real(r8), pointer :: altmax_col(:), altmax_lastyear_col(:)
   end type active_layer_type
end module ActiveLayerMod

module TemperatureType
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   type :: temperature_type
      real(r8), pointer :: t_soisno_col(:, :)
   end type temperature_type
end module TemperatureType

module ch4Mod
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   type :: ch4_type
      real(r8), pointer :: o2stress_sat_col(:, :), o2stress_unsat_col(:, :), finundated_col(:)
   end type ch4_type
end module ch4Mod

module TillageMod
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
contains
   logical function get_do_tillage()
      get_do_tillage = .false.
   end function get_do_tillage
   subroutine get_apply_tillage_multipliers(idop, c, j, decomp_k)
      integer, intent(in) :: idop(:), c, j
      real(r8), intent(inout) :: decomp_k(:)
      if (size(idop) < 0 .or. c < 0 .or. j < 0) decomp_k = 0.0_r8
   end subroutine get_apply_tillage_multipliers
end module TillageMod

module TridiagonalMod
   use shr_kind_mod, only: r8 => shr_kind_r8
   use decompMod, only: bounds_type
   implicit none
contains
   ! Leaves the concentrations as they are: the transport itself is not under test.
   subroutine Tridiagonal(bounds, lbj, ubj, jtop, numf, filter, a, b, c, r, u)
      type(bounds_type), intent(in) :: bounds
      integer, intent(in) :: lbj, ubj, numf
      integer, intent(in) :: jtop(bounds%begc:), filter(:)
      real(r8), intent(in) :: a(bounds%begc:, lbj:), b(bounds%begc:, lbj:), c(bounds%begc:, lbj:), r(bounds%begc:, lbj:)
      real(r8), intent(inout) :: u(bounds%begc:, lbj:)
      if (numf < 0 .or. ubj < lbj .or. any(jtop < 0) .or. any(filter < 0)) u = a + b + c + r
   end subroutine Tridiagonal
end module TridiagonalMod
